import { createPool } from 'cenote'
import type { Config } from '../../src/config.js'
import { fromPool } from '../../src/redis/cenote.js'
import type { RedisLike } from '../../src/redis/like.js'

export function redisClient(url: string, config: Config): RedisLike {
  return fromPool(createPool(url, { commandTimeoutMs: config.redisTimeoutMs, healthCheckIntervalMs: 0 }))
}
