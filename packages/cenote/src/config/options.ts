import type { ConnectionOptions as TlsOptions } from 'node:tls'
import type { ClusterNode, ClusterSettings, ResolvedCluster } from './cluster.js'
import type { IOREDIS_DEFAULTS, IoredisOptions } from './ioredis-options.js'
import type { Environment } from './presets.js'
import type { ReadFrom } from './read-from.js'
import type { SecretSource } from './secret-source.js'
import type { ResolvedSentinel } from './sentinel.js'

export type { SecretSource } from './secret-source.js'

/**
 * A client used while the pool cannot serve. An ioredis instance or another pool fits as it is; for others wrap what
 * sends a command. It is never closed by the pool.
 */
export interface FallbackClient {
  call(command: string, ...args: (string | Buffer)[]): Promise<unknown>
  /** Used for commands whose caller wants Buffers; `call` otherwise. */
  callBuffer?(command: string, ...args: (string | Buffer)[]): Promise<unknown>
  /** Runs a whole transaction; without it transactions are refused while the pool cannot serve. */
  multi?(commands: [name: string, ...args: unknown[]][]): {
    exec(): Promise<[error: Error | null, result?: unknown][] | null>
  }
}

export interface RetryOptions {
  /** Sends of one command, the first included. Default 3, or `REDIS_RETRY_ATTEMPTS`; 1 switches retrying off. */
  attempts?: number
  /** First delay, ms. Default 8. */
  baseDelayMs?: number
  /** Each delay is this many times the one before. Default 8, which gives 8, 64 and 512 ms. */
  factor?: number
  /** Longest delay, ms. Default 512. */
  maxDelayMs?: number
  /** Retries that may be saved up. Each retry costs one, each success earns a tenth. Default 2,000. */
  budget?: number
}

/** Options of {@link createPool} and RedisPool. Unknown keys throw. Times are milliseconds. */
export interface PoolOptions extends IoredisOptions {
  /** Server name or address; names are resolved at each dial. Default localhost, or `REDIS_HOST`. */
  host?: string | null
  /** Default 6379, or `REDIS_PORT`. */
  port?: number | string | null
  /** Unix socket; wins over host and port. Default none, or `REDIS_SOCKET`. */
  path?: string | null
  /** IP family for name resolution: 4, 6, or 0 for either. Default 0. */
  family?: number | string
  /** Database chosen on each connection. Default 0, or `REDIS_DB`. */
  db?: number | string
  /** Default none, or `REDIS_USERNAME`. */
  username?: string | null
  /** Never appears in messages, statistics or logs. Default none, or `REDIS_PASSWORD`. */
  password?: SecretSource | null
  /** TLS settings as of `tls.connect`, or true. Default: none, unless the URL says rediss://, or `REDIS_TLS…`. */
  tls?: TlsOptions | boolean | null
  /** Name of the Sentinel master, where `name` is to stay that of the pool. Default `name`, or `REDIS_SENTINEL_NAME`. */
  sentinelName?: string | null
  /** Nodes of a Redis Cluster to start from, or settings with them. Default none, or `REDIS_CLUSTER_NODES`. */
  cluster?: readonly ClusterNode[] | string | ClusterSettings | null
  /** Where commands that only read go, with Sentinel or Cluster. Default primary, or `REDIS_READ_FROM`. */
  readFrom?: ReadFrom
  /** Replicas further behind are passed over, ms. 0: no bound. Default 0, or `REDIS_MAX_REPLICA_LAG_MS`. */
  maxReplicaLagMs?: number
  /** RESP version; servers without HELLO get 2. Default 3. */
  protocol?: 2 | 3
  /** Connection name on the server (CLIENT SETNAME). Default none, or `REDIS_CLIENT_NAME`. */
  connectionName?: string | null
  /**
   * Name of this pool in statistics, metrics and messages. Beside `sentinels` it is also the name of the master, as in
   * ioredis, unless `sentinelName` says that. Default `cenote`.
   */
  name?: string | null
  /** Preset to start from. Default `DEPLOYMENT_ENV`, else development. */
  environment?: Environment
  /** Processes sharing the budget; each holds budget ÷ workers. Default from the preset, or `REDIS_POOL_WORKERS`. */
  workers?: number
  /**
   * Connections this process may hold, lanes included. Default: the preset's budget ÷ workers, or
   * `REDIS_MAX_CONNECTIONS`. At least 2.
   */
  maxConnections?: number
  /** Lease connections kept open while idle. Default 0, or `REDIS_MIN_CONNECTIONS`. */
  minConnections?: number
  /** Shared pipelined connections. Default 1, or `REDIS_LANES`; more keep the order of commands per first key only. */
  lanes?: number
  /**
   * Deadline of an ordinary command, through queue, dial, write and reply. 0 means none. Default 5,000, or
   * `REDIS_COMMAND_TIMEOUT_MS`.
   */
  commandTimeoutMs?: number
  /** Added to the block time of a blocking command before the client gives up. Default 1,000. */
  blockingGraceMs?: number
  /** For one dial: name resolution, TCP, TLS, handshake. Default 5,000, or `REDIS_CONNECT_TIMEOUT_MS`. */
  connectTimeoutMs?: number
  /** How long a caller waits for a lease. Default 5,000, or `REDIS_ACQUIRE_TIMEOUT_MS`. */
  acquireTimeoutMs?: number
  /** Callers that may wait for a lease; more are refused at once. Default 10,000. */
  maxWaiters?: number
  /** Commands accepted and not yet answered, per lane; more are refused at once. Default 200,000. */
  maxQueuedCommands?: number
  /** Bytes of commands parked while no server is reachable. Default 64 MiB. */
  maxQueuedBytes?: number
  /**
   * Lease connections idle for longer are closed, down to `minConnections`. 0: never. Default 30,000, or
   * `REDIS_IDLE_TIMEOUT_MS`.
   */
  idleTimeoutMs?: number
  /**
   * Connections older than this are replaced between commands, spread by up to 10 %. 0: never. Default 1,800,000, or
   * `REDIS_MAX_LIFETIME_MS`.
   */
  maxLifetimeMs?: number
  /** Time between active health checks. 0: none. Default 30,000, or `REDIS_HEALTH_CHECK_INTERVAL_MS`. */
  healthCheckIntervalMs?: number
  /** Replies owed and nothing read for this long: the watchdog looks. 0: never. Default 1,000. */
  watchdogMs?: number
  /** TCP keep-alive idle time. 0: off. Default 10,000. */
  keepAlive?: number
  /** Default true. */
  noDelay?: boolean
  /** Dials under way at once. Default 8. */
  dialConcurrency?: number
  /** Dials started per second, after a first burst of as many. Default 50. */
  dialsPerSecond?: number
  /**
   * How often live connections authenticate anew with what the `password` function then returns. 0: only new
   * connections ask it. Default 0.
   */
  credentialsRefreshMs?: number
  /** Serves ordinary commands while the pool has no connection, or none free. Default none. */
  fallback?: FallbackClient
  /** An outage longer than this makes new commands fail at once instead of waiting. Default 5,000. */
  failFastAfterMs?: number
  /** When commands that did not run, or only read, are sent again. */
  retry?: RetryOptions
  /**
   * Record where each lease was borrowed, and warn when it is held for longer than this. 0: off. Default 0, or
   * `REDIS_LEAK_DETECTION_MS`.
   */
  leakDetectionMs?: number
  /** A WATCH on the pool that sees no EXEC, DISCARD or UNWATCH for this long is given up. Default 30,000. */
  watchTimeoutMs?: number
  /** Connect on first use instead of at once. Default false. */
  lazyConnect?: boolean
  /** Prefix for every key of every command. Default none. */
  keyPrefix?: string
  /** Integers as text. Default false. */
  stringNumbers?: boolean
  /** `legacy` gives RESP2 shapes on either protocol; `resp3` gives objects, numbers and booleans. Default legacy. */
  replyMapping?: 'legacy' | 'resp3'
}

type Renamed =
  | 'host'
  | 'port'
  | 'path'
  | 'family'
  | 'db'
  | 'username'
  | 'password'
  | 'tls'
  | 'sentinelName'
  | 'cluster'
  | 'connectionName'
  | 'name'
  | 'retry'

/** Options after defaults, presets, variables and checks; frozen. Has every key that ioredis' `options` has. */
export type ResolvedOptions = Readonly<
  Required<Omit<PoolOptions, Renamed | keyof IoredisOptions>> & {
    host: string
    port: number
    path: string | undefined
    family: number
    db: number
    username: string | undefined
    password: SecretSource | undefined
    tls: TlsOptions | true | undefined
    /** Set when sentinels say where the server is; `host`, `port` and `path` then mean nothing. */
    sentinel: ResolvedSentinel | undefined
    sentinelName: string | undefined
    /** Set when the server is a cluster; `host`, `port` and `path` then mean nothing. */
    cluster: ResolvedCluster | undefined
    name: string
    connectionName: string
    retry: Readonly<Required<RetryOptions>>
    connectTimeout: number
    commandTimeout: number | undefined
  } & typeof IOREDIS_DEFAULTS
>
