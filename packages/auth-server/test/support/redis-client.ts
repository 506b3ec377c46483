import { createPool } from 'cenote'
import { fromPool } from '../../src/redis/cenote.js'
import type { RedisLike } from '../../src/redis/like.js'

export type ClientFactory = (url: string, timeoutMs: number) => RedisLike

export const cenoteClient: ClientFactory = (url, timeoutMs) =>
  fromPool(createPool(url, { commandTimeoutMs: timeoutMs, healthCheckIntervalMs: 0 }))
