import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { chmodSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Config, ConfigError } from './config.js'

/** A public key as the JWKS shows it. */
export interface PublicJwk {
  readonly kty: 'EC'
  readonly crv: 'P-256'
  readonly x: string
  readonly y: string
  readonly kid: string
  readonly alg: 'ES256'
  readonly use: 'sig'
}

export interface VerifyingKey {
  readonly kid: string
  readonly pem: string
  readonly jwk: PublicJwk
}

export interface Keys {
  readonly signing: { readonly kid: string; readonly pem: string }
  /** The signing key's public half first, then retired keys still accepted. */
  readonly verifying: readonly VerifyingKey[]
}

export const KEY_FILE = 'signing-key.pem'

/**
 * The key pair tokens are signed with.
 *
 * Given by CENOTE_AUTH_PRIVATE_KEY or CENOTE_AUTH_PRIVATE_KEY_FILE. In development and staging a missing key is created
 * in the data folder, readable by its owner only, and found there again at the next start.
 *
 * @throws ConfigError in production without a key, and for a key that is not EC P-256.
 */
export function loadKeys(config: Config): Keys {
  const pem = privateKeyPem(config)
  const key = parse(() => createPrivateKey(pem), 'The signing key')
  const own = verifyingKey(createPublicKey(key))
  const retired = retiredKeys(config).filter((candidate) => candidate.kid !== own.kid)
  return Object.freeze({
    signing: { kid: own.kid, pem: key.export({ type: 'pkcs8', format: 'pem' }).toString() },
    verifying: [own, ...retired],
  })
}

function privateKeyPem(config: Config): string {
  if (config.privateKey !== undefined) return config.privateKey.replaceAll('\\n', '\n')
  if (config.privateKeyFile !== undefined) return readKeyFile(config.privateKeyFile, 'CENOTE_AUTH_PRIVATE_KEY_FILE')
  if (config.environment === 'production') {
    throw new ConfigError(
      'In production the signing key must be given: set CENOTE_AUTH_PRIVATE_KEY_FILE (or CENOTE_AUTH_PRIVATE_KEY) to an ' +
        'EC P-256 private key in PEM form, made for example by "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"',
    )
  }
  return createdKey(config.dataDir)
}

/** Processes that start together agree on one key: the first link wins, the others read it. */
function createdKey(dataDir: string): string {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const path = join(dataDir, KEY_FILE)
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const draft = join(dataDir, `.${KEY_FILE}.${process.pid}`)
  writeFileSync(draft, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' })
  chmodSync(draft, 0o600)
  try {
    linkSync(draft, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(draft, { force: true })
  }
  return readFileSync(path, 'utf8')
}

function retiredKeys(config: Config): VerifyingKey[] {
  if (config.previousKeysFile === undefined) return []
  const text = readKeyFile(config.previousKeysFile, 'CENOTE_AUTH_PREVIOUS_KEYS_FILE')
  const blocks = text.match(/-----BEGIN PUBLIC KEY-----[\s\S]+?-----END PUBLIC KEY-----/g)
  if (blocks === null) throw new ConfigError('CENOTE_AUTH_PREVIOUS_KEYS_FILE holds no "BEGIN PUBLIC KEY" block')
  return blocks.map((block) => verifyingKey(parse(() => createPublicKey(block), 'A key in the previous keys file')))
}

function readKeyFile(path: string, variable: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new ConfigError(`${variable}: cannot read ${path} (${(error as NodeJS.ErrnoException).code})`)
  }
}

/** The library's own message may quote the input, so it is not passed on. */
function parse(read: () => KeyObject, what: string): KeyObject {
  let key: KeyObject
  try {
    key = read()
  } catch {
    throw new ConfigError(`${what} is not a key in PEM form`)
  }
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new ConfigError(`${what} must be EC P-256, the curve of ES256`)
  }
  return key
}

function verifyingKey(key: KeyObject): VerifyingKey {
  const { x, y } = key.export({ format: 'jwk' }) as { x: string; y: string }
  // RFC 7638: the thumbprint of the required members in this very order.
  const kid = createHash('sha256')
    .update(JSON.stringify({ crv: 'P-256', kty: 'EC', x, y }))
    .digest('base64url')
  const jwk: PublicJwk = { kty: 'EC', crv: 'P-256', x, y, kid, alg: 'ES256', use: 'sig' }
  return { kid, pem: key.export({ type: 'spki', format: 'pem' }).toString(), jwk }
}
