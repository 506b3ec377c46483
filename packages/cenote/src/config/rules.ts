import { cluster } from './cluster.js'
import { isHost } from './endpoints.js'
import { IOREDIS_RULES, type IoredisOptions } from './ioredis-options.js'
import type { PoolOptions, RetryOptions } from './options.js'
import { isObject } from './plain.js'
import { PRESETS } from './presets.js'
import { readFrom } from './read-from.js'
import {
  flag,
  integer,
  milliseconds,
  oneOf,
  onlyInCode,
  positiveMilliseconds,
  type Rule,
  secret,
  text,
} from './rule.js'
import { noSentinels } from './sentinel.js'
import { tls } from './tls.js'

export type OwnOption = Exclude<keyof PoolOptions, keyof IoredisOptions | 'retry'>
/** `retry` is kept field by field, so that each can come from somewhere else. */
export type RetryOption = `retry.${keyof RetryOptions}`
export type OptionName = OwnOption | RetryOption | keyof IoredisOptions

/** An option's rule and its default; undefined where the default depends on the preset or there is none. */
type OwnRule = Rule & { readonly fallback: unknown }

const option = (rule: Rule, fallback?: unknown): OwnRule => ({ ...rule, fallback })

const host = text(
  isHost,
  'a host name or an address; a port goes into port, a whole URL before the options or into REDIS_URL',
)
const fallbackClient = onlyInCode(
  // Every function has a method of that name.
  (value) => isObject(value) && typeof value.call === 'function',
  'a client with a method call(command, ...args) that returns a promise',
)

/** Every option of cenote's own, in the order in which they are explained. */
export const OWN_RULES: Readonly<Record<OwnOption | RetryOption, OwnRule>> = {
  environment: option(oneOf(...Object.keys(PRESETS)), 'development'),
  host: option(host, 'localhost'),
  port: option(integer(1, 65_535), 6379),
  path: option(text()),
  family: option(integer(0, 6, [0, 4, 6]), 0),
  db: option(integer(0), 0),
  username: option(text()),
  password: option(secret),
  tls: option(tls),
  sentinelName: option(text()),
  cluster: option(cluster),
  readFrom: option(readFrom, 'primary'),
  maxReplicaLagMs: option(milliseconds, 0),
  name: option(text(), 'cenote'),
  connectionName: option(text(), ''),
  workers: option(integer(1, 10_000)),
  maxConnections: option(integer(2, 65_000)),
  minConnections: option(integer(0, 65_000), 0),
  lanes: option(integer(1, 64), 1),
  commandTimeoutMs: option(milliseconds, 5_000),
  blockingGraceMs: option(milliseconds, 1_000),
  connectTimeoutMs: option(positiveMilliseconds, 5_000),
  acquireTimeoutMs: option(milliseconds, 5_000),
  maxWaiters: option(integer(0), 10_000),
  maxQueuedCommands: option(integer(1), 200_000),
  maxQueuedBytes: option(integer(1), 64 * 1024 * 1024),
  idleTimeoutMs: option(milliseconds, 30_000),
  maxLifetimeMs: option(milliseconds, 1_800_000),
  healthCheckIntervalMs: option(milliseconds, 30_000),
  watchdogMs: option(milliseconds, 1_000),
  'retry.attempts': option(integer(1, 100), 3),
  'retry.baseDelayMs': option(milliseconds, 8),
  'retry.factor': option(integer(1, 1_000), 8),
  'retry.maxDelayMs': option(milliseconds, 512),
  'retry.budget': option(integer(0), 2_000),
  failFastAfterMs: option(milliseconds, 5_000),
  fallback: option(fallbackClient),
  leakDetectionMs: option(milliseconds, 0),
  watchTimeoutMs: option(positiveMilliseconds, 30_000),
  credentialsRefreshMs: option(milliseconds, 0),
  dialConcurrency: option(integer(1), 8),
  dialsPerSecond: option(integer(1), 50),
  keepAlive: option(milliseconds, 10_000),
  noDelay: option(flag, true),
  protocol: option(integer(2, 3, [2, 3]), 3),
  lazyConnect: option(flag, false),
  keyPrefix: option(text(), ''),
  stringNumbers: option(flag, false),
  replyMapping: option(oneOf('legacy', 'resp3'), 'legacy'),
}

export const isOwnOption = (key: string): key is OwnOption | RetryOption => Object.hasOwn(OWN_RULES, key)
export const ruleOf = (name: OptionName): Rule => (isOwnOption(name) ? OWN_RULES[name] : IOREDIS_RULES[name])

const RETRY_PREFIX = 'retry.'
export const RETRY_OPTIONS = Object.keys(OWN_RULES).filter((name) => name.startsWith(RETRY_PREFIX)) as RetryOption[]

/** The names that may be used in code and as URL parameters. */
export const OPTION_NAMES: readonly string[] = [
  ...Object.keys(OWN_RULES).filter((name) => !name.startsWith(RETRY_PREFIX)),
  'retry',
  ...Object.keys(IOREDIS_RULES),
]

/** Where an empty text means that nothing is given, as ioredis treats it. */
const EMPTY_IS_NONE: ReadonlySet<string> = new Set<OptionName>([
  'host',
  'path',
  'username',
  'password',
  'sentinelName',
  'sentinelUsername',
  'sentinelPassword',
])

/** ioredis says null where it means "not set"; where null is a value of its own, its rule accepts it. */
const NULL_IS_NONE: ReadonlySet<string> = new Set<OptionName>([
  'sentinelUsername',
  'sentinelPassword',
  'sentinelTLS',
  'preferredSlaves',
])

export const isUnset = (key: string, value: unknown): boolean =>
  value === undefined ||
  (value === null && (isOwnOption(key) || key === 'retry' || NULL_IS_NONE.has(key))) ||
  (value === '' && EMPTY_IS_NONE.has(key)) ||
  (key === 'sentinels' && noSentinels(value))
