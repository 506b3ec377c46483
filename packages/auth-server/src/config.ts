import { availableParallelism } from 'node:os'

export type Environment = 'development' | 'staging' | 'production'
export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'

/** An attempt limit: `attempts` at once, refilled evenly over `windowSeconds`. */
export interface Limit {
  readonly attempts: number
  readonly windowSeconds: number
}

/** Everything the service takes from its surroundings, checked once and frozen. */
export interface Config {
  readonly environment: Environment
  readonly host: string
  /** 0 lets the system choose; the line printed at the start names the real one. */
  readonly port: number
  /** Where accounts and, in development, the key pair live. */
  readonly dataDir: string
  readonly logLevel: LogLevel
  readonly workers: number
  /** Public address of this service: the `iss` of its tokens. */
  readonly issuer: string
  readonly audience: string
  readonly accessTokenSeconds: number
  /** A session ends when it is not refreshed for this long. */
  readonly refreshTokenSeconds: number
  /** A session ends this long after the login, however often it is refreshed. */
  readonly sessionMaxSeconds: number
  readonly maxSessionsPerAccount: number
  readonly loginPerAccount: Limit
  readonly loginPerAddress: Limit
  readonly registerPerAddress: Limit
  /** Password hashes computed at the same time by one worker, 19 MiB each. */
  readonly hashConcurrency: number
  /** Password checks that may wait in one worker before it answers 503. */
  readonly hashQueue: number
  /** Tokens whose signature was found good, remembered per worker; 0 checks every signature again. */
  readonly tokenCacheSize: number
  readonly redisTimeoutMs: number
  /** SIGTERM: how long to go on accepting while `/ready` already says 503. */
  readonly shutdownDelayMs: number
  /** SIGTERM: how long requests and idle keep-alive connections may take to end. */
  readonly drainTimeoutMs: number
  readonly keepAliveMs: number
  /** Believe X-Forwarded-For: only behind a proxy that sets it. */
  readonly trustProxy: boolean
  readonly allowSeed: boolean
  /** PEM text of the signing key, if given directly. Never logged. */
  readonly privateKey: string | undefined
  readonly privateKeyFile: string | undefined
  /** PEM file with public keys of retired signing keys, still accepted. */
  readonly previousKeysFile: string | undefined
}

export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

type Env = Readonly<Record<string, string | undefined>>

interface Setting<T> {
  readonly variable: string
  readonly fallback: T | ((environment: Environment) => T)
  readonly parse: (text: string, variable: string) => T
}

const PREFIX = 'CENOTE_AUTH_'

function integer(min: number, max: number) {
  return (text: string, variable: string): number => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new ConfigError(`${variable} must be a whole number from ${min} to ${max}, not ${JSON.stringify(text)}`)
    }
    return value
  }
}

function oneOf<T extends string>(...accepted: T[]) {
  return (text: string, variable: string): T => {
    const found = accepted.find((candidate) => candidate === text)
    if (found === undefined) {
      throw new ConfigError(`${variable} must be one of ${accepted.join(', ')}, not ${JSON.stringify(text)}`)
    }
    return found
  }
}

function flag(text: string, variable: string): boolean {
  if (text === 'true' || text === '1') return true
  if (text === 'false' || text === '0') return false
  throw new ConfigError(`${variable} must be true or false, not ${JSON.stringify(text)}`)
}

/** `10/900` is ten attempts in fifteen minutes. */
function limit(text: string, variable: string): Limit {
  const match = /^(\d{1,7})\/(\d{1,6})$/.exec(text)
  const attempts = Number(match?.[1])
  const windowSeconds = Number(match?.[2])
  if (match === null || attempts < 1 || windowSeconds < 1) {
    throw new ConfigError(`${variable} must be attempts/seconds, such as 10/900, not ${JSON.stringify(text)}`)
  }
  return Object.freeze({ attempts, windowSeconds })
}

const text = (value: string): string => value
/** Two hashes at a time keep one core free for the event loop; the libuv pool has four threads. */
const hashConcurrencyDefault = (): number => Math.max(1, Math.min(4, availableParallelism() - 1))
const DAY = 86_400

const environmentSetting: Setting<Environment> = {
  variable: 'DEPLOYMENT_ENV',
  fallback: 'development',
  parse: oneOf('development', 'staging', 'production'),
}

type Settings = { readonly [K in keyof Config]: Setting<Config[K]> }

const settings: Settings = {
  environment: environmentSetting,
  host: { variable: 'HOST', fallback: (e) => (e === 'development' ? '127.0.0.1' : '0.0.0.0'), parse: text },
  port: { variable: 'PORT', fallback: 3000, parse: integer(0, 65_535) },
  dataDir: { variable: 'DATA_DIR', fallback: '.data/auth', parse: text },
  logLevel: {
    variable: 'LOG_LEVEL',
    fallback: 'info',
    parse: oneOf('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'),
  },
  workers: {
    variable: 'WORKERS',
    fallback: (e) => ({ development: 1, staging: 2, production: 4 })[e],
    parse: integer(1, 128),
  },
  issuer: { variable: `${PREFIX}ISSUER`, fallback: 'https://auth.cenote.test', parse: text },
  audience: { variable: `${PREFIX}AUDIENCE`, fallback: 'cenote', parse: text },
  accessTokenSeconds: { variable: `${PREFIX}ACCESS_TOKEN_SECONDS`, fallback: 900, parse: integer(1, DAY) },
  refreshTokenSeconds: {
    variable: `${PREFIX}REFRESH_TOKEN_SECONDS`,
    fallback: 14 * DAY,
    parse: integer(1, 400 * DAY),
  },
  sessionMaxSeconds: { variable: `${PREFIX}SESSION_MAX_SECONDS`, fallback: 90 * DAY, parse: integer(1, 400 * DAY) },
  maxSessionsPerAccount: { variable: `${PREFIX}MAX_SESSIONS`, fallback: 50, parse: integer(1, 1000) },
  loginPerAccount: {
    variable: `${PREFIX}LOGIN_LIMIT_ACCOUNT`,
    fallback: { attempts: 10, windowSeconds: 900 },
    parse: limit,
  },
  loginPerAddress: {
    variable: `${PREFIX}LOGIN_LIMIT_ADDRESS`,
    fallback: { attempts: 100, windowSeconds: 900 },
    parse: limit,
  },
  registerPerAddress: {
    variable: `${PREFIX}REGISTER_LIMIT_ADDRESS`,
    fallback: { attempts: 20, windowSeconds: 3600 },
    parse: limit,
  },
  hashConcurrency: {
    variable: `${PREFIX}HASH_CONCURRENCY`,
    fallback: hashConcurrencyDefault,
    parse: integer(1, 64),
  },
  hashQueue: { variable: `${PREFIX}HASH_QUEUE`, fallback: 512, parse: integer(0, 100_000) },
  tokenCacheSize: { variable: `${PREFIX}TOKEN_CACHE`, fallback: 10_000, parse: integer(0, 1_000_000) },
  redisTimeoutMs: { variable: `${PREFIX}REDIS_TIMEOUT_MS`, fallback: 2000, parse: integer(10, 60_000) },
  shutdownDelayMs: { variable: `${PREFIX}SHUTDOWN_DELAY_MS`, fallback: 0, parse: integer(0, 60_000) },
  drainTimeoutMs: { variable: `${PREFIX}DRAIN_TIMEOUT_MS`, fallback: 10_000, parse: integer(100, 300_000) },
  keepAliveMs: { variable: `${PREFIX}KEEP_ALIVE_MS`, fallback: 5000, parse: integer(1000, 600_000) },
  trustProxy: { variable: `${PREFIX}TRUST_PROXY`, fallback: false, parse: flag },
  allowSeed: { variable: `${PREFIX}ALLOW_SEED`, fallback: (e) => e !== 'production', parse: flag },
  privateKey: { variable: `${PREFIX}PRIVATE_KEY`, fallback: undefined, parse: text },
  privateKeyFile: { variable: `${PREFIX}PRIVATE_KEY_FILE`, fallback: undefined, parse: text },
  previousKeysFile: { variable: `${PREFIX}PREVIOUS_KEYS_FILE`, fallback: undefined, parse: text },
}

/** Names of the environment variables the service reads. */
export const variables: readonly string[] = Object.values(settings).map((setting) => setting.variable)

/**
 * Reads the configuration from environment variables.
 *
 * @throws ConfigError naming the variable, its value (never that of a key) and what is accepted.
 */
export function loadConfig(env: Env = process.env): Config {
  for (const name of Object.keys(env)) {
    if (name.startsWith(PREFIX) && !variables.includes(name)) {
      const known = variables.filter((candidate) => candidate.startsWith(PREFIX))
      throw new ConfigError(`${name} is not a setting of this service; it knows ${known.join(', ')}`)
    }
  }
  const environment = read(environmentSetting, env, 'development')
  const entries = Object.entries(settings).map(([key, setting]) => [
    key,
    read(setting as Setting<unknown>, env, environment),
  ])
  const config = Object.freeze(Object.fromEntries(entries)) as Config
  if (config.privateKey !== undefined && config.privateKeyFile !== undefined) {
    throw new ConfigError(`Give ${PREFIX}PRIVATE_KEY or ${PREFIX}PRIVATE_KEY_FILE, not both`)
  }
  if (config.sessionMaxSeconds < config.refreshTokenSeconds) {
    throw new ConfigError(
      `${PREFIX}SESSION_MAX_SECONDS (${config.sessionMaxSeconds}) must not be less than ` +
        `${PREFIX}REFRESH_TOKEN_SECONDS (${config.refreshTokenSeconds})`,
    )
  }
  return config
}

function read<T>(setting: Setting<T>, env: Env, environment: Environment): T {
  const given = env[setting.variable]
  if (given !== undefined && given !== '') return setting.parse(given, setting.variable)
  const { fallback } = setting
  return typeof fallback === 'function' ? (fallback as (e: Environment) => T)(environment) : fallback
}
