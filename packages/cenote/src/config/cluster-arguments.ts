import { ConfigError } from '../errors.js'
import type { ClusterNode, ClusterSettings } from './cluster.js'
import type { PoolOptions } from './options.js'
import { isObject, plainCopy } from './plain.js'
import { fromScaleReads } from './read-from.js'

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

/** Lost nodes come back by themselves, and shard channels are always subscribed where their slot is. */
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
export function clusterArguments(nodes: readonly ClusterNode[], options: object = {}): PoolOptions {
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
