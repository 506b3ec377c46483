import { ConfigError } from '../errors.js'
import type { ClusterNode, ClusterSettings, DnsLookup, ResolveSrv } from './cluster.js'
import type { NatMap } from './nat-map.js'
import type { PoolOptions } from './options.js'
import { isObject, plainCopy } from './plain.js'
import { fromScaleReads, type ReadFromFunction } from './read-from.js'

/** Options of ioredis' `new Cluster(nodes, options)`; those of a pool may stand beside them. Times are milliseconds. */
export interface ClusterOptions extends Omit<PoolOptions, 'cluster' | 'sentinels' | 'host' | 'port' | 'path' | 'db'> {
  /** What holds for the connection to each node: credentials, TLS, time-outs. Options beside it outrank it. */
  redisOptions?: PoolOptions | null
  /** `slave` is `readFrom: 'prefer-replica'`, `all` any server of the shard. Default master. */
  scaleReads?: 'master' | 'slave' | 'all' | ReadFromFunction
  /** See {@link ClusterSettings.maxRedirections}. */
  maxRedirections?: number
  /** See {@link ClusterSettings.slotsRefreshTimeoutMs}. */
  slotsRefreshTimeout?: number
  /** See {@link ClusterSettings.slotsRefreshIntervalMs}. */
  slotsRefreshInterval?: number
  /** See {@link ClusterSettings.movedDelayMs}. */
  retryDelayOnMoved?: number
  /** See {@link ClusterSettings.failoverDelayMs}. */
  retryDelayOnFailover?: number
  /** See {@link ClusterSettings.clusterDownDelayMs}. */
  retryDelayOnClusterDown?: number
  /** See {@link ClusterSettings.tryAgainDelayMs}. */
  retryDelayOnTryAgain?: number
  /** See {@link ClusterSettings.retryStrategy}. */
  clusterRetryStrategy?: ((times: number, reason?: Error) => unknown) | null
  /** See {@link ClusterSettings.useSRVRecords}. */
  useSRVRecords?: boolean
  /** See {@link ClusterSettings.resolveSrv}. */
  resolveSrv?: ResolveSrv
  /** See {@link ClusterSettings.dnsLookup}. */
  dnsLookup?: DnsLookup
  /** See {@link ClusterSettings.natMap}. */
  natMap?: NatMap | null
  /** Accepted, without effect: nodes that were lost come back by themselves. */
  clusterNodeRetryStrategy?: ((times: number) => unknown) | null
  /** Accepted, without effect: shard channels are always subscribed where their slot is. */
  shardedSubscribers?: boolean
}

/** ioredis' names of settings, and those of {@link ClusterSettings}. */
const SETTING_OF: Readonly<Record<string, keyof ClusterSettings>> = {
  maxRedirections: 'maxRedirections',
  slotsRefreshTimeout: 'slotsRefreshTimeoutMs',
  slotsRefreshInterval: 'slotsRefreshIntervalMs',
  retryDelayOnMoved: 'movedDelayMs',
  retryDelayOnFailover: 'failoverDelayMs',
  retryDelayOnClusterDown: 'clusterDownDelayMs',
  retryDelayOnTryAgain: 'tryAgainDelayMs',
  clusterRetryStrategy: 'retryStrategy',
  useSRVRecords: 'useSRVRecords',
  resolveSrv: 'resolveSrv',
  dnsLookup: 'dnsLookup',
  natMap: 'natMap',
}

const WITHOUT_EFFECT = ['clusterNodeRetryStrategy', 'shardedSubscribers']

/** What ioredis' `redisOptions` cannot say: the nodes say where, a cluster has one database, its own strategy counts. */
const NOT_OF_NODES = [
  'host',
  'port',
  'path',
  'db',
  'sentinels',
  'retryStrategy',
  'enableOfflineQueue',
  'readOnly',
  'himportFieldsets',
]

/**
 * The arguments of ioredis' `new Cluster(nodes, options)` as options of a pool. What the options say outranks
 * `redisOptions`; anything else that a pool takes may stand beside them.
 * @throws ConfigError; unknown options are found when the result is resolved
 */
export function clusterArguments(nodes: readonly ClusterNode[], options: ClusterOptions = {}): PoolOptions {
  if (!isObject(options)) throw new ConfigError('The options of a cluster must be an object')
  const { redisOptions = {}, scaleReads, ...given } = plainCopy(options)
  if (redisOptions !== null && !isObject(redisOptions)) throw new ConfigError('redisOptions must be an object')
  const result: Record<PropertyKey, unknown> = redisOptions === null ? {} : plainCopy(redisOptions)
  for (const key of NOT_OF_NODES) delete result[key]
  const cluster: Record<string, unknown> = { nodes }
  for (const key of Reflect.ownKeys(given)) {
    const value = given[key as string]
    const setting = typeof key === 'string' && Object.hasOwn(SETTING_OF, key) ? SETTING_OF[key] : undefined
    if (value === undefined || WITHOUT_EFFECT.includes(key as string)) continue
    // An empty keyPrefix leaves that of redisOptions, as in ioredis.
    if (setting === undefined) result[key] = key === 'keyPrefix' ? value || result.keyPrefix : value
    else cluster[setting] = value
  }
  if (scaleReads !== undefined && result.readFrom === undefined) result.readFrom = fromScaleReads(scaleReads)
  return { ...(result as PoolOptions), cluster: cluster as unknown as ClusterSettings }
}
