import type { Config } from '../../src/config.js'
import type { RedisLike } from '../../src/redis/like.js'
import { ioredisClient } from './ioredis-client.mjs'

export function redisClient(url: string, config: Config): RedisLike {
  return ioredisClient(url, config.redisTimeoutMs) as RedisLike
}
