import type { ConnectionOptions as TlsOptions } from 'node:tls'
import { ConfigError } from '../errors.js'
import { describeEndpoints, parseEndpoints, type SeedEndpoint } from './endpoints.js'
import { type NatMap, natMap } from './nat-map.js'
import { isObject } from './plain.js'
import { flag, integer, milliseconds, oneOf, onlyInCode, orNull, type Rule, secret, text } from './rule.js'
import type { SecretSource } from './secret-source.js'
import { tls, withoutServerName } from './tls.js'

/** One sentinel: `'host:port'` or as ioredis has it. Default localhost, port 26379. */
export type SentinelAddress = string | { host?: string; port?: number | string; family?: number }

/** A replica as SENTINEL REPLICAS lists it. */
export interface ReplicaAddress {
  ip: string
  port: string
  flags?: string
}

/** Replicas to use before others with `role: 'slave'`; the lowest `prio` first, 1 when left out. */
export interface PreferredReplica {
  ip: string
  port: string
  prio?: number
}

/**
 * Options of ioredis for Sentinel, under its names. They are used when `sentinels` has an entry; `tls`, `username`,
 * `password` and `db` are always those of the servers.
 */
export interface SentinelOptions {
  /** Where to ask for the primary; null or an empty list: no Sentinel. Default none, or `REDIS_SENTINELS`. */
  sentinels?: SentinelAddress[] | string | null
  /** `slave`: all commands go to a replica. Default master. */
  role?: 'master' | 'slave'
  /** User for the sentinels. Default none, or `REDIS_SENTINEL_USERNAME`. */
  sentinelUsername?: string | null
  /** Password for the sentinels; never that of the servers. Default none, or `REDIS_SENTINEL_PASSWORD`. */
  sentinelPassword?: SecretSource | null
  /**
   * TLS to the sentinels, as of `tls.connect`; true takes the certificates of `tls`. Default: none, unless the URL says
   * rediss+sentinel://, or `REDIS_SENTINEL_TLS`.
   */
  sentinelTLS?: TlsOptions | boolean | null
  /** Longest wait for a sentinel's answer, ms. Default 1,000, where ioredis has none: a frozen one must not hold up the rest. */
  sentinelCommandTimeout?: number
  /** Asked before all sentinels are tried again; anything but a number ends the pool. Default 10 ms more each time, at most 1 s. */
  sentinelRetryStrategy?: ((times: number) => unknown) | null
  /** Delay before a lost connection to a sentinel is opened anew, ms. Default 60,000. */
  sentinelReconnectStrategy?: ((times: number) => unknown) | null
  /** Sentinels that are listened to at once. Default 10. */
  sentinelMaxConnections?: number
  /** With `role: 'slave'`. Default: any. */
  preferredSlaves?:
    | PreferredReplica
    | PreferredReplica[]
    | ((replicas: ReplicaAddress[]) => ReplicaAddress | null)
    | null
  /** Addresses that servers and sentinels announce, and where they are reached from here. Default none. */
  natMap?: NatMap | null
  /** Learn of further sentinels from those that answer. Default true. */
  updateSentinels?: boolean
  /** Accepted, without effect: sentinels are always listened to. Default false. */
  failoverDetector?: boolean
  /**
   * ioredis uses `tls` for servers found by sentinels only when this is true. Here `tls` is enough, and an explicit false
   * means plain connections to the servers, as there.
   */
  enableTLSForSentinelMode?: boolean
}

/** Sentinel after defaults and checks. */
export interface ResolvedSentinel {
  /** Seeds: kept for ever, resolved anew. Never empty. */
  readonly nodes: readonly SeedEndpoint[]
  /** Name of the master group. */
  readonly name: string
  readonly role: 'primary' | 'replica'
  /** Credentials and TLS of the sentinels, apart from those of the servers. */
  readonly username: string | undefined
  readonly password: SecretSource | undefined
  readonly tls: TlsOptions | true | undefined
  readonly commandTimeoutMs: number
  readonly maxConnections: number
  readonly updateSentinels: boolean
  readonly retryStrategy: ((times: number) => unknown) | null
  readonly reconnectStrategy: ((times: number) => unknown) | null
  readonly preferredReplicas:
    | readonly PreferredReplica[]
    | ((replicas: ReplicaAddress[]) => ReplicaAddress | null)
    | undefined
  readonly natMap: NatMap | undefined
}

const strategy = orNull(onlyInCode((value) => typeof value === 'function', 'a function or null'))

/** Nothing, in the ways in which it is said. */
export const noSentinels = (value: unknown): boolean =>
  value === null || value === false || (Array.isArray(value) && value.length === 0)

const sentinels: Rule = {
  check(value, label) {
    return parseEndpoints(value, label, { host: 'localhost', port: 26_379 })
  },
  read: (value, label) => parseEndpoints(value, label, { host: 'localhost', port: 26_379 }),
}

const isReplica = (value: unknown): boolean =>
  isObject(value) && typeof value.ip === 'string' && ['string', 'number'].includes(typeof value.port)

export const SENTINEL_RULES: Readonly<Record<keyof SentinelOptions, Rule>> = {
  sentinels,
  role: oneOf('master', 'slave'),
  sentinelUsername: orNull(text()),
  sentinelPassword: orNull(secret),
  sentinelTLS: orNull(tls),
  sentinelCommandTimeout: milliseconds,
  sentinelRetryStrategy: strategy,
  sentinelReconnectStrategy: strategy,
  sentinelMaxConnections: integer(1, 1_000),
  preferredSlaves: orNull(
    onlyInCode(
      (value) => typeof value === 'function' || (Array.isArray(value) ? value : [value]).every(isReplica),
      '{ ip, port, prio }, a list of them, or a function',
    ),
  ),
  natMap: orNull(natMap),
  updateSentinels: flag,
  failoverDetector: flag,
  enableTLSForSentinelMode: flag,
}

/** What `options` shows for those that were not given; the defaults of ioredis. */
export const SENTINEL_DEFAULTS = {
  sentinels: null as SeedEndpoint[] | null,
  role: 'master' as 'master' | 'slave',
  sentinelRetryStrategy: ((times) => Math.min(times * 10, 1_000)) as ((times: number) => unknown) | null,
  sentinelReconnectStrategy: (() => 60_000) as ((times: number) => unknown) | null,
  sentinelMaxConnections: 10,
  natMap: null as NatMap | null,
  enableTLSForSentinelMode: false,
  updateSentinels: true,
  failoverDetector: false,
  sentinelUsername: undefined as string | undefined,
  sentinelPassword: undefined as SecretSource | undefined,
  sentinelTLS: undefined as TlsOptions | boolean | undefined,
  sentinelCommandTimeout: undefined as number | undefined,
  preferredSlaves: undefined as SentinelOptions['preferredSlaves'],
}

export type FlatSentinel = typeof SENTINEL_DEFAULTS & { readonly sentinelName: string | undefined }

/** What the flat options mean together. @throws ConfigError when the master has no name */
export function resolveSentinel(
  flat: FlatSentinel,
  servers: TlsOptions | true | undefined,
): ResolvedSentinel | undefined {
  const { sentinels: nodes, sentinelName: name, sentinelTLS } = flat
  if (nodes === null) return undefined
  if (name === undefined || name === '') {
    throw new ConfigError(
      `Sentinel needs the name of the master that ${describeEndpoints(nodes)} watch: give name or sentinelName beside ` +
        'sentinels, /name in the URL, or REDIS_SENTINEL_NAME',
    )
  }
  const resolved: ResolvedSentinel = Object.freeze({
    nodes: Object.freeze(nodes),
    name,
    role: flat.role === 'slave' ? 'replica' : 'primary',
    username: flat.sentinelUsername,
    password: flat.sentinelPassword,
    tls: sentinelTLS === true ? withoutServerName(servers) : sentinelTLS || undefined,
    commandTimeoutMs: flat.sentinelCommandTimeout ?? 1_000,
    maxConnections: flat.sentinelMaxConnections,
    updateSentinels: flat.updateSentinels,
    retryStrategy: flat.sentinelRetryStrategy,
    reconnectStrategy: flat.sentinelReconnectStrategy,
    preferredReplicas: preferred(flat.preferredSlaves),
    natMap: flat.natMap ?? undefined,
  })
  derived.add(resolved)
  return resolved
}

/** Made here from the flat options, so that options which were read back from a pool can be told from a mistake. */
const derived = new WeakSet<object>()
export const isDerivedSentinel = (value: unknown): boolean => derived.has(value as object)

function preferred(given: SentinelOptions['preferredSlaves']): ResolvedSentinel['preferredReplicas'] {
  if (given === null || given === undefined || typeof given === 'function') return given ?? undefined
  const list = Array.isArray(given) ? given : [given]
  return [...list].sort((a, b) => (a.prio ?? 1) - (b.prio ?? 1))
}
