import { readFileSync } from 'node:fs'
import type { ConnectionOptions as TlsOptions } from 'node:tls'
import { ConfigError } from '../errors.js'
import { flattened, isObject } from './plain.js'
import { flag, type Rule } from './rule.js'

/** `true`, `false`, or settings for `tls.connect`. */
export const tls: Rule = {
  check(value, label) {
    if (typeof value === 'boolean') return value
    if (!isObject(value)) throw new ConfigError(`${label} must be true or an object of settings for tls.connect`)
    return flattened(value)
  },
  read: flag.read,
}

type Detail = 'ca' | 'cert' | 'key' | 'servername' | 'rejectUnauthorized'

/** The variables that say how; `REDIS_TLS` says whether. */
export const TLS_VARIABLES: Readonly<Record<string, Detail>> = {
  REDIS_TLS_CA_FILE: 'ca',
  REDIS_TLS_CERT_FILE: 'cert',
  REDIS_TLS_KEY_FILE: 'key',
  REDIS_TLS_SERVERNAME: 'servername',
  REDIS_TLS_REJECT_UNAUTHORIZED: 'rejectUnauthorized',
}

export interface TlsFromVariables {
  /** Undefined when nothing was said. */
  readonly value: TlsOptions | boolean | undefined
  /** Variables that made it. */
  readonly from: readonly string[]
  /** Variables that were set and had no effect. */
  readonly unused: readonly string[]
}

/**
 * TLS as the variables say. A URL that says `rediss://` outranks `REDIS_TLS=false`; naming a certificate, a key or a
 * server name asks for TLS by itself. Files are read once, here.
 * @throws ConfigError naming the variable, for a file that cannot be read or holds no PEM text
 */
export function tlsFromVariables(set: ReadonlyMap<string, string>, byUrl: boolean): TlsFromVariables {
  const details = Object.keys(TLS_VARIABLES).filter((variable) => set.has(variable))
  const switchText = set.get('REDIS_TLS')
  const wanted = switchText === undefined || byUrl ? undefined : (flag.read(switchText, 'REDIS_TLS') as boolean)
  const implied = details.some((variable) => TLS_VARIABLES[variable] !== 'rejectUnauthorized')
  if (!(byUrl || (wanted ?? implied))) {
    return { value: wanted, from: wanted === false ? ['REDIS_TLS'] : [], unused: details }
  }
  const settings: Record<string, unknown> = {}
  for (const variable of details) settings[TLS_VARIABLES[variable]!] = readDetail(variable, set.get(variable)!)
  if ((settings.cert === undefined) !== (settings.key === undefined)) {
    throw new ConfigError('REDIS_TLS_CERT_FILE and REDIS_TLS_KEY_FILE belong together; give both, or neither')
  }
  const from = byUrl ? details : [...(switchText === undefined ? [] : ['REDIS_TLS']), ...details]
  const unused = byUrl && switchText !== undefined ? ['REDIS_TLS'] : []
  return { value: details.length === 0 ? true : settings, from, unused }
}

function readDetail(variable: string, text: string): unknown {
  const detail = TLS_VARIABLES[variable]
  if (detail === 'servername') return text
  if (detail === 'rejectUnauthorized') return flag.read(text, variable)
  // The text is not quoted: it may be the key itself, put where its path belongs.
  if (text.includes('-----BEGIN '))
    throw new ConfigError(`${variable} must be the path of a PEM file, not its contents`)
  let pem: string
  try {
    pem = readFileSync(text, 'utf8')
  } catch (error) {
    throw new ConfigError(`${variable} names a file that cannot be read: ${(error as NodeJS.ErrnoException).code}`)
  }
  if (!pem.includes('-----BEGIN ')) throw new ConfigError(`${variable} names a file that holds no PEM text`)
  return pem
}

/** What `sentinelTLS: true` means: the certificates used for the servers, without their name. */
export function withoutServerName(servers: TlsOptions | true | undefined): TlsOptions | true {
  if (servers === undefined || servers === true) return true
  const { servername: _, checkServerIdentity: __, ...rest } = servers
  return Object.keys(rest).length === 0 ? true : rest
}
