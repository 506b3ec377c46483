import { ConfigError } from '../errors.js'
import {
  IOREDIS_DEFAULTS,
  type IoredisOptions,
  ioredisOptionNames,
  isIoredisOption,
  splitIoredisOptions,
} from './ioredis-options.js'
import type { PoolOptions, ResolvedOptions, RetryOptions } from './options.js'
import { environmentFrom, PRESETS } from './presets.js'
import { parseUrl } from './url.js'

interface Rule {
  readonly kind: 'integer' | 'boolean' | 'text' | 'other'
  readonly min?: number
  readonly max?: number
  readonly oneOf?: readonly unknown[]
}

const integer = (min: number, max = Number.MAX_SAFE_INTEGER): Rule => ({ kind: 'integer', min, max })
const milliseconds = integer(0, 2 ** 31 - 1)
const text: Rule = { kind: 'text' }
const flag: Rule = { kind: 'boolean' }
const other: Rule = { kind: 'other' }

type OwnOption = Exclude<keyof PoolOptions, keyof IoredisOptions>

const RULES: Readonly<Record<OwnOption, Rule>> = {
  host: text,
  port: integer(1, 65_535),
  path: text,
  family: { ...integer(0), oneOf: [0, 4, 6] },
  db: integer(0),
  username: text,
  password: other,
  tls: other,
  protocol: { ...integer(2), oneOf: [2, 3] },
  connectionName: text,
  name: text,
  environment: { kind: 'text', oneOf: Object.keys(PRESETS) },
  workers: integer(1, 10_000),
  maxConnections: integer(2, 65_000),
  minConnections: integer(0, 65_000),
  lanes: integer(1, 64),
  commandTimeoutMs: milliseconds,
  blockingGraceMs: milliseconds,
  connectTimeoutMs: integer(1, 2 ** 31 - 1),
  acquireTimeoutMs: milliseconds,
  maxWaiters: integer(0),
  maxQueuedCommands: integer(1),
  maxQueuedBytes: integer(1),
  idleTimeoutMs: milliseconds,
  maxLifetimeMs: milliseconds,
  healthCheckIntervalMs: milliseconds,
  watchdogMs: milliseconds,
  keepAlive: milliseconds,
  noDelay: flag,
  dialConcurrency: integer(1),
  dialsPerSecond: integer(1),
  credentialsRefreshMs: milliseconds,
  fallback: other,
  failFastAfterMs: milliseconds,
  retry: other,
  leakDetectionMs: milliseconds,
  watchTimeoutMs: integer(1, 2 ** 31 - 1),
  lazyConnect: flag,
  keyPrefix: text,
  stringNumbers: flag,
  replyMapping: { kind: 'text', oneOf: ['legacy', 'resp3'] },
}

const RETRY_RULES: Readonly<Record<keyof RetryOptions, Rule>> = {
  attempts: integer(1, 100),
  baseDelayMs: milliseconds,
  factor: integer(1, 1_000),
  maxDelayMs: milliseconds,
  budget: integer(0),
}

/** Environment variables and the option each one sets. */
const VARIABLES: Readonly<Record<string, OwnOption>> = {
  REDIS_HOST: 'host',
  REDIS_PORT: 'port',
  REDIS_SOCKET: 'path',
  REDIS_USERNAME: 'username',
  REDIS_PASSWORD: 'password',
  REDIS_DB: 'db',
  REDIS_POOL_WORKERS: 'workers',
  REDIS_MAX_CONNECTIONS: 'maxConnections',
  REDIS_COMMAND_TIMEOUT_MS: 'commandTimeoutMs',
}

/**
 * Presets, then `REDIS_URL` or `REDIS_HOST` and its kin, then a URL given in code, then options given in code: each
 * overrides those before it. An address given in code replaces the address of the environment as a whole.
 * @throws ConfigError naming the bad key and what is accepted
 */
export function resolveOptions(
  url: string | undefined,
  given: PoolOptions,
  variables: NodeJS.ProcessEnv = process.env,
): ResolvedOptions {
  const code = splitIoredisOptions({ ...(url === undefined ? {} : fromUrl(url)), ...definedOnly(given) })
  checkKeys(code.own, RULES, 'option')
  const fromCode: PoolOptions = code.own
  const addressed = fromCode.host !== undefined || fromCode.port !== undefined || fromCode.path !== undefined
  const outside = splitIoredisOptions(fromVariables(variables, addressed))
  const merged: PoolOptions = { ...outside.own, ...fromCode }
  if (addressed && fromCode.path === undefined) delete merged.path
  const environment = merged.environment ?? environmentFrom(variables)
  const preset = PRESETS[environment] ?? PRESETS.development
  const workers = merged.workers === undefined ? preset.workers : number('workers', merged.workers, RULES.workers)
  const defaults = {
    host: '127.0.0.1',
    port: 6379,
    path: undefined,
    family: 0,
    db: 0,
    username: undefined,
    password: undefined,
    protocol: 3 as const,
    connectionName: '',
    name: 'cenote',
    maxConnections: Math.max(2, Math.floor(preset.budget / workers)),
    minConnections: 0,
    lanes: 1,
    commandTimeoutMs: 5_000,
    blockingGraceMs: 1_000,
    connectTimeoutMs: 5_000,
    acquireTimeoutMs: 5_000,
    maxWaiters: 10_000,
    maxQueuedCommands: 200_000,
    maxQueuedBytes: 64 * 1024 * 1024,
    idleTimeoutMs: 30_000,
    maxLifetimeMs: 1_800_000,
    healthCheckIntervalMs: 30_000,
    watchdogMs: 1_000,
    keepAlive: 10_000,
    noDelay: true,
    dialConcurrency: 8,
    dialsPerSecond: 50,
    credentialsRefreshMs: 0,
    fallback: undefined,
    failFastAfterMs: 5_000,
    leakDetectionMs: 0,
    watchTimeoutMs: 30_000,
    lazyConnect: false,
    keyPrefix: '',
    stringNumbers: false,
    replyMapping: 'legacy' as const,
  }
  const own = { ...defaults, ...checkValues(merged, RULES, '') }
  const resolved = {
    ...IOREDIS_DEFAULTS,
    ...outside.ioredis,
    ...code.ioredis,
    ...own,
    connectTimeout: own.connectTimeoutMs,
    commandTimeout: merged.commandTimeoutMs === undefined ? undefined : own.commandTimeoutMs,
    environment,
    workers,
    tls: merged.tls === false ? undefined : merged.tls,
    retry: Object.freeze(resolveRetry(merged.retry)),
  } as unknown as ResolvedOptions
  checkTogether(resolved)
  return Object.freeze(resolved)
}

function resolveRetry(given: RetryOptions | undefined): Required<RetryOptions> {
  const retry = given ?? {}
  checkKeys(retry, RETRY_RULES, 'option retry.')
  const defaults = { attempts: 3, baseDelayMs: 8, factor: 8, maxDelayMs: 512, budget: 2_000 }
  return { ...defaults, ...checkValues(retry, RETRY_RULES, 'retry.') }
}

function checkTogether(options: ResolvedOptions): void {
  if (options.lanes >= options.maxConnections) {
    throw new ConfigError(
      `lanes (${options.lanes}) must be below maxConnections (${options.maxConnections}): leases need at least one connection`,
    )
  }
  if (options.minConnections > options.maxConnections - options.lanes) {
    throw new ConfigError(
      `minConnections (${options.minConnections}) exceeds maxConnections − lanes (${options.maxConnections - options.lanes})`,
    )
  }
  if (options.replyMapping === 'resp3' && options.protocol === 2) {
    throw new ConfigError("replyMapping 'resp3' needs protocol 3")
  }
  if (options.fallback !== undefined && typeof options.fallback?.call !== 'function') {
    throw new ConfigError('fallback must be a client with a method call(command, ...args) that returns a promise')
  }
  if (!['string', 'function', 'undefined'].includes(typeof options.password)) {
    throw new ConfigError('password must be a string or a function that returns one')
  }
  if (options.tls !== undefined && options.tls !== true && typeof options.tls !== 'object') {
    throw new ConfigError('tls must be true or an object of settings for tls.connect')
  }
}

function fromUrl(url: string): PoolOptions {
  const { parameters, ...address } = parseUrl(url)
  const parsed: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(parameters)) {
    if (isIoredisOption(key)) parsed[key] = plainValue(value)
    else {
      checkKeys({ [key]: value }, RULES, 'URL parameter')
      parsed[key] = fromText(key as OwnOption, value)
    }
  }
  return { ...parsed, ...address }
}

/** `true`, `false`, `null` and numbers as themselves, anything else as text. */
function plainValue(text: string): unknown {
  return /^(?:true|false|null|-?\d+)$/.test(text) ? JSON.parse(text) : text
}

function definedOnly(options: PoolOptions): PoolOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

function fromVariables(variables: NodeJS.ProcessEnv, addressed: boolean): PoolOptions {
  const result: Record<string, unknown> = {}
  const url = variables.REDIS_URL
  if (url !== undefined && url !== '') {
    if (!addressed) Object.assign(result, fromUrl(url))
  }
  for (const [variable, key] of Object.entries(VARIABLES)) {
    const value = variables[variable]
    if (value === undefined || value === '') continue
    const isAddress = key === 'host' || key === 'port' || key === 'path' || key === 'db'
    const isSecret = key === 'username' || key === 'password'
    if ((isAddress || isSecret) && (addressed || result.host !== undefined || result.path !== undefined)) continue
    result[key] = fromText(key, value, variable)
  }
  return result
}

function fromText(key: OwnOption, value: string, label: string = key): unknown {
  const rule = RULES[key]
  if (rule.kind === 'boolean') {
    if (value === 'true' || value === '1') return true
    if (value === 'false' || value === '0') return false
    throw new ConfigError(`${label} must be true or false`)
  }
  return rule.kind === 'integer' ? number(label, value, rule) : value
}

function checkKeys(given: object, rules: object, what: string): void {
  for (const key of Object.keys(given)) {
    if (Object.hasOwn(rules, key)) continue
    throw new ConfigError(`Unknown ${what}${what.endsWith('.') ? '' : ' '}${key}${suggestion(key, rules)}`)
  }
}

function suggestion(key: string, rules: object): string {
  const names = rules === RULES ? [...Object.keys(rules), ...ioredisOptionNames()] : Object.keys(rules)
  const wanted = key.toLowerCase().replace(/ms$|timeout/g, '')
  const near = names.filter((name) => {
    const candidate = name.toLowerCase()
    return candidate.includes(wanted) || (wanted.length > 3 && candidate.startsWith(wanted.slice(0, 4)))
  })
  return near.length > 0 ? `; did you mean ${near.join(' or ')}?` : `; accepted: ${names.join(', ')}`
}

function checkValues(given: object, rules: Readonly<Record<string, Rule>>, prefix: string): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined) continue
    result[key] = checkValue(prefix + key, value, rules[key]!)
  }
  return result
}

function checkValue(label: string, value: unknown, rule: Rule): unknown {
  let checked = value
  if (rule.kind === 'integer') checked = number(label, value, rule)
  else if (rule.kind === 'boolean' && typeof value !== 'boolean')
    throw new ConfigError(`${label} must be true or false`)
  else if (rule.kind === 'text' && typeof value !== 'string') throw new ConfigError(`${label} must be a string`)
  if (rule.oneOf !== undefined && !rule.oneOf.includes(checked)) {
    throw new ConfigError(`${label} must be one of ${rule.oneOf.join(', ')}`)
  }
  return checked
}

function number(label: string, value: unknown, rule: Rule): number {
  const n = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = rule
  if (typeof n !== 'number' || !Number.isSafeInteger(n) || n < min || n > max) {
    throw new ConfigError(`${label} must be a whole number from ${min} to ${max}`)
  }
  return n
}
