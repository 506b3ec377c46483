import { ConfigError } from '../errors.js'

/** A script as given to `scripts` and `defineCommand`. */
export interface ScriptDefinition {
  lua: string
  numberOfKeys?: number | undefined
  readOnly?: boolean | undefined
}

/**
 * Options of ioredis, so that its option objects can be passed as they are. Those without a counterpart here are
 * accepted, can be read back from `options`, and change nothing; each says why.
 */
export interface IoredisOptions {
  /** ioredis' name of `commandTimeoutMs`. */
  commandTimeout?: number
  /** ioredis' name of `connectTimeoutMs`. */
  connectTimeout?: number
  /** Blocking calls settle with null instead of waiting longer than this, ms. Default: off. */
  blockingTimeout?: number
  /** Added to the block time of a finite blocking call before `blockingTimeout` settles it, ms. Default 100. */
  blockingTimeoutGrace?: number
  /** Commands wait while no server is reachable; false refuses them at once. Default true. */
  enableOfflineQueue?: boolean
  /** Scripts to define as commands, by name. */
  scripts?: Record<string, ScriptDefinition>
  /** Errors carry the caller's stack. Costs a stack trace for each command. Default false. */
  showFriendlyErrorStack?: boolean
  /** Send READONLY on each new connection. Default false. */
  readOnly?: boolean
  /** Do not tell the server the name of this library. Default false. */
  disableClientInfo?: boolean
  /** Appended to the library's name in CLIENT SETINFO: `cenote(tag)`. */
  clientInfoTag?: string
  /** Subscriptions are restored after a reconnect. Default true. */
  autoResubscribe?: boolean
  /**
   * Asked before each reconnect. Anything but a number ends the pool, as does `null` in place of the function. The
   * delay itself is not taken from it: dials are paced by a backoff of 10 to 200 ms and a circuit breaker.
   */
  retryStrategy?: ((times: number) => unknown) | null
  /** Accepted, without effect: commands wait until their own deadline, however many reconnects that takes. Default 20. */
  maxRetriesPerRequest?: number | null
  /** Accepted, without effect: reads are sent again, writes of unknown outcome are rejected. Default true. */
  autoResendUnfulfilledCommands?: boolean
  /** Accepted, without effect: commands of all callers always share writes. Default false. */
  enableAutoPipelining?: boolean
  /** Accepted, without effect: nothing is excluded from sharing writes. Default []. */
  autoPipeliningIgnoredCommands?: string[]
  /** Accepted, without effect: a connection is used once the server has loaded its data, always. Default true. */
  enableReadyCheck?: boolean
  /** Accepted, without effect: READONLY and LOADING are handled by themselves. Default null. */
  reconnectOnError?: ((error: Error) => boolean | 1 | 2) | null
  /** Accepted, without effect: see `connectTimeoutMs`. Default 10,000. */
  maxLoadingRetryTime?: number
  /** Accepted, without effect: see `watchdogMs`. */
  socketTimeout?: number
  /** Accepted, without effect: sockets are destroyed, not half-closed. Default 2,000. */
  disconnectTimeout?: number
  /** Accepted, without effect. */
  offlineQueue?: boolean
  /** Accepted, without effect. */
  commandQueue?: boolean
  /** Sentinel and Connector settings are refused unless they are null or empty. */
  sentinels?: unknown[] | null
  role?: 'master' | 'slave'
  sentinelRetryStrategy?: unknown
  sentinelReconnectStrategy?: unknown
  sentinelMaxConnections?: number
  natMap?: unknown
  enableTLSForSentinelMode?: boolean
  updateSentinels?: boolean
  failoverDetector?: boolean
  himportFieldsets?: readonly unknown[]
  Connector?: unknown
  monitor?: boolean
}

type Check = (value: unknown) => string | undefined

const flag: Check = (value) => (typeof value === 'boolean' ? undefined : 'true or false')
const milliseconds: Check = (value) =>
  typeof value === 'number' && Number.isFinite(value) ? undefined : 'a number of milliseconds'
const functionOrNull: Check = (value) =>
  value === null || typeof value === 'function' ? undefined : 'a function or null'
const anything: Check = () => undefined
const unsupported =
  (instead: string): Check =>
  (value) =>
    value === null || value === false || (Array.isArray(value) && value.length === 0) ? undefined : instead

const CHECKS: Readonly<Record<keyof IoredisOptions, Check>> = {
  commandTimeout: milliseconds,
  connectTimeout: milliseconds,
  blockingTimeout: milliseconds,
  blockingTimeoutGrace: milliseconds,
  enableOfflineQueue: flag,
  scripts: (value) => (typeof value === 'object' && value !== null ? undefined : 'an object of scripts by name'),
  showFriendlyErrorStack: flag,
  readOnly: flag,
  disableClientInfo: flag,
  clientInfoTag: (value) => (typeof value === 'string' ? undefined : 'a string'),
  autoResubscribe: flag,
  retryStrategy: functionOrNull,
  maxRetriesPerRequest: (value) => (value === null || typeof value === 'number' ? undefined : 'a number or null'),
  autoResendUnfulfilledCommands: flag,
  enableAutoPipelining: flag,
  autoPipeliningIgnoredCommands: (value) => (Array.isArray(value) ? undefined : 'a list of command names'),
  enableReadyCheck: flag,
  reconnectOnError: functionOrNull,
  maxLoadingRetryTime: milliseconds,
  socketTimeout: milliseconds,
  disconnectTimeout: milliseconds,
  offlineQueue: flag,
  commandQueue: flag,
  sentinels: unsupported('left out: Sentinel is not supported by this option; give host and port of the master'),
  role: anything,
  sentinelRetryStrategy: anything,
  sentinelReconnectStrategy: anything,
  sentinelMaxConnections: anything,
  natMap: anything,
  enableTLSForSentinelMode: anything,
  updateSentinels: anything,
  failoverDetector: anything,
  himportFieldsets: unsupported('left out: managed fieldsets are not supported; send HIMPORT commands yourself'),
  Connector: unsupported('left out: connections are opened by the pool itself'),
  monitor: unsupported('left out: call monitor() instead'),
}

/** What `options` shows for those that were not given; the defaults of ioredis. */
export const IOREDIS_DEFAULTS = {
  disconnectTimeout: 2_000,
  disableClientInfo: false,
  clientInfoTag: undefined as string | undefined,
  sentinels: null,
  role: 'master' as const,
  sentinelRetryStrategy: (times: number) => Math.min(times * 10, 1_000),
  sentinelReconnectStrategy: () => 60_000,
  natMap: null,
  enableTLSForSentinelMode: false,
  updateSentinels: true,
  failoverDetector: false,
  enableOfflineQueue: true,
  enableReadyCheck: true,
  autoResubscribe: true,
  autoResendUnfulfilledCommands: true,
  reconnectOnError: null as IoredisOptions['reconnectOnError'],
  readOnly: false,
  maxRetriesPerRequest: 20 as number | null,
  maxLoadingRetryTime: 10_000,
  enableAutoPipelining: false,
  autoPipeliningIgnoredCommands: [] as string[],
  sentinelMaxConnections: 10,
  blockingTimeoutGrace: 100,
  blockingTimeout: undefined as number | undefined,
  himportFieldsets: undefined,
  showFriendlyErrorStack: false,
  scripts: undefined as Record<string, ScriptDefinition> | undefined,
  retryStrategy: ((times: number) => Math.min(2 ** (times - 1) * 50, 5_000)) as IoredisOptions['retryStrategy'],
}

/** Names of ioredis and the cenote option that means the same. */
export const SYNONYMS = { commandTimeout: 'commandTimeoutMs', connectTimeout: 'connectTimeoutMs' } as const

export const isIoredisOption = (key: string): key is keyof IoredisOptions => Object.hasOwn(CHECKS, key)
export const ioredisOptionNames = (): string[] => Object.keys(CHECKS)

/**
 * Separates ioredis' options from cenote's own, translating those with a counterpart.
 * @throws ConfigError when two names of one setting disagree, or a value is of the wrong kind
 */
export function splitIoredisOptions(given: object): { own: Record<string, unknown>; ioredis: Record<string, unknown> } {
  const own: Record<string, unknown> = {}
  const ioredis: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined) continue
    if (!isIoredisOption(key)) {
      // ioredis says null where it means "not set"; its `name` is that of a Sentinel master.
      if (value !== null) own[key] = value
      continue
    }
    const problem = CHECKS[key](value)
    if (problem !== undefined) throw new ConfigError(`${key} must be ${problem}`)
    ioredis[key] = value
  }
  for (const [theirs, ours] of Object.entries(SYNONYMS)) {
    if (ioredis[theirs] === undefined) continue
    if (own[ours] !== undefined && Number(own[ours]) !== ioredis[theirs]) {
      throw new ConfigError(
        `${ours} (${String(own[ours])}) and ${theirs} (${String(ioredis[theirs])}) contradict each other; give only ${ours}`,
      )
    }
    own[ours] = ioredis[theirs]
    delete ioredis[theirs]
  }
  return { own, ioredis }
}
