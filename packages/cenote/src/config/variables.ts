import type { OptionName } from './rules.js'

/** What belongs to the server of the environment, and is used only while its address is. */
export const SERVER_VARIABLES: Readonly<Record<string, OptionName>> = {
  REDIS_HOST: 'host',
  REDIS_PORT: 'port',
  REDIS_SOCKET: 'path',
  REDIS_SENTINELS: 'sentinels',
  REDIS_CLUSTER_NODES: 'cluster',
  REDIS_USERNAME: 'username',
  REDIS_PASSWORD: 'password',
  REDIS_DB: 'db',
  REDIS_READ_FROM: 'readFrom',
  REDIS_MAX_REPLICA_LAG_MS: 'maxReplicaLagMs',
}

/** The same for sentinels. */
export const SENTINEL_VARIABLES: Readonly<Record<string, OptionName>> = {
  REDIS_SENTINEL_NAME: 'sentinelName',
  REDIS_SENTINEL_USERNAME: 'sentinelUsername',
  REDIS_SENTINEL_PASSWORD: 'sentinelPassword',
  REDIS_SENTINEL_TLS: 'sentinelTLS',
}

/** What holds for the pool whichever server it uses. */
export const POOL_VARIABLES: Readonly<Record<string, OptionName>> = {
  DEPLOYMENT_ENV: 'environment',
  REDIS_POOL_WORKERS: 'workers',
  REDIS_MAX_CONNECTIONS: 'maxConnections',
  REDIS_MIN_CONNECTIONS: 'minConnections',
  REDIS_LANES: 'lanes',
  REDIS_COMMAND_TIMEOUT_MS: 'commandTimeoutMs',
  REDIS_CONNECT_TIMEOUT_MS: 'connectTimeoutMs',
  REDIS_ACQUIRE_TIMEOUT_MS: 'acquireTimeoutMs',
  REDIS_HEALTH_CHECK_INTERVAL_MS: 'healthCheckIntervalMs',
  REDIS_IDLE_TIMEOUT_MS: 'idleTimeoutMs',
  REDIS_MAX_LIFETIME_MS: 'maxLifetimeMs',
  REDIS_RETRY_ATTEMPTS: 'retry.attempts',
  REDIS_LEAK_DETECTION_MS: 'leakDetectionMs',
  REDIS_CLIENT_NAME: 'connectionName',
}
