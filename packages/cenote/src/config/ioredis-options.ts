import { ConfigError } from '../errors.js'
import { flattened, isObject } from './plain.js'
import { flag, onlyInCode, orNull, type Rule, text } from './rule.js'
import { SENTINEL_DEFAULTS, SENTINEL_RULES, type SentinelOptions } from './sentinel.js'

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
export interface IoredisOptions extends SentinelOptions {
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
  /** Refused unless null or empty: send HIMPORT commands yourself. */
  himportFieldsets?: readonly unknown[]
  /** Refused unless null: connections are opened by the pool itself. */
  Connector?: unknown
  /** Refused unless false: call `monitor()` instead. */
  monitor?: boolean
}

const finite: Rule = {
  check(value, label) {
    if (typeof value !== 'number' || !Number.isFinite(value))
      throw new ConfigError(`${label} must be a number of milliseconds`)
    return value
  },
  read: (text, label) => finite.check(/^-?\d+$/.test(text) ? Number(text) : text, label),
}

const fn = orNull(onlyInCode((value) => typeof value === 'function', 'a function or null'))

const list: Rule = {
  check(value, label) {
    if (!Array.isArray(value)) throw new ConfigError(`${label} must be a list of command names`)
    return value
  },
  read: (text) => text.split(','),
}

const count: Rule = {
  check(value, label) {
    if (typeof value !== 'number' || Number.isNaN(value)) throw new ConfigError(`${label} must be a number or null`)
    return value
  },
  read: (text, label) => count.check(/^\d+$/.test(text) ? Number(text) : text, label),
}

const scripts: Rule = {
  ...onlyInCode(isObject, 'an object of scripts by name'),
  check(value, label) {
    if (!isObject(value)) throw new ConfigError(`${label} must be an object of scripts by name`)
    return flattened(value)
  },
}

const unsupported = (instead: string): Rule =>
  onlyInCode(
    (value) => value === null || value === false || (Array.isArray(value) && value.length === 0),
    `left out: ${instead}`,
  )

export const IOREDIS_RULES: Readonly<Record<keyof IoredisOptions, Rule>> = {
  ...SENTINEL_RULES,
  commandTimeout: finite,
  connectTimeout: finite,
  blockingTimeout: finite,
  blockingTimeoutGrace: finite,
  enableOfflineQueue: flag,
  scripts,
  showFriendlyErrorStack: flag,
  readOnly: flag,
  disableClientInfo: flag,
  clientInfoTag: text(),
  autoResubscribe: flag,
  retryStrategy: fn,
  maxRetriesPerRequest: orNull(count),
  autoResendUnfulfilledCommands: flag,
  enableAutoPipelining: flag,
  autoPipeliningIgnoredCommands: list,
  enableReadyCheck: flag,
  reconnectOnError: fn,
  maxLoadingRetryTime: finite,
  socketTimeout: finite,
  disconnectTimeout: finite,
  offlineQueue: flag,
  commandQueue: flag,
  himportFieldsets: unsupported('managed fieldsets are not supported; send HIMPORT commands yourself'),
  Connector: unsupported('connections are opened by the pool itself'),
  monitor: unsupported('call monitor() instead'),
}

/** What `options` shows for those that were not given; the defaults of ioredis. */
export const IOREDIS_DEFAULTS = {
  ...SENTINEL_DEFAULTS,
  disconnectTimeout: 2_000,
  disableClientInfo: false,
  clientInfoTag: undefined as string | undefined,
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
  blockingTimeoutGrace: 100,
  blockingTimeout: undefined as number | undefined,
  himportFieldsets: undefined,
  showFriendlyErrorStack: false,
  scripts: undefined as Record<string, ScriptDefinition> | undefined,
  retryStrategy: ((times: number) => Math.min(2 ** (times - 1) * 50, 5_000)) as IoredisOptions['retryStrategy'],
}

/** Names of ioredis and the cenote option that means the same. */
export const SYNONYMS = { commandTimeout: 'commandTimeoutMs', connectTimeout: 'connectTimeoutMs' } as const

export const isIoredisOption = (key: string): key is keyof IoredisOptions => Object.hasOwn(IOREDIS_RULES, key)
