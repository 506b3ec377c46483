import type { PoolOptions } from '../config/options.js'
import { RedisPool } from './redis-pool.js'

/** A pool for the environment this process runs in; see {@link PoolOptions} for what can be said in code. */
export function createPool(options?: PoolOptions): RedisPool
export function createPool(url: string, options?: PoolOptions): RedisPool
export function createPool(first?: string | PoolOptions, second?: PoolOptions): RedisPool {
  return typeof first === 'string' ? new RedisPool(first, second) : new RedisPool(first)
}
