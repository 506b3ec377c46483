import { createPool, type PoolOptions, type RedisPool } from 'cenote'
import type { RedisFactory, RedisLog } from '../server.js'
import type { RedisLike } from './like.js'

/** Errors of one kind come by the hundred while a server is away; one line in this time is enough. */
const LOG_INTERVAL_MS = 1000

/** The service's Redis: a cenote pool, by environment variables, its budget split among the workers. */
export const cenoteRedis: RedisFactory = (config, log) => {
  const options: PoolOptions = {
    name: 'auth',
    environment: config.environment,
    workers: config.workers,
    commandTimeoutMs: config.redisTimeoutMs,
  }
  const pool = createPool(options)
  logEvents(pool, log)
  return fromPool(pool)
}

export function fromPool(pool: RedisPool): RedisLike {
  return {
    hmget: (key, ...fields) => pool.hmget(key, ...fields),
    del: (key) => pool.del(key),
    evalsha: (sha, keyCount, ...keysAndArgs) => pool.evalsha(sha, keyCount, ...keysAndArgs),
    eval: (script, keyCount, ...keysAndArgs) => pool.eval(script, keyCount, ...keysAndArgs),
    stats: () => {
      const stats = pool.stats()
      return {
        connections: stats.connections,
        waiters: stats.waiters,
        utilization: stats.utilization,
        commands: stats.commands,
        acquireTimeouts: stats.acquire.timeouts,
        latency: stats.latency,
        loopLagMs: stats.loopLagMs,
      }
    },
    health: () => pool.health(),
    close: () => pool.close(),
  }
}

function logEvents(pool: RedisPool, log: RedisLog): void {
  let lastLogged = Number.NEGATIVE_INFINITY
  let suppressed = 0
  let wasLost = false
  pool.on('error', (error: Error) => {
    wasLost = true
    if (performance.now() - lastLogged < LOG_INTERVAL_MS) {
      suppressed++
      return
    }
    lastLogged = performance.now()
    log.warn({ error: error.message, code: (error as { code?: string }).code, suppressed }, 'redis connection trouble')
    suppressed = 0
  })
  pool.on('ready', () => {
    if (wasLost) log.info({}, 'redis is back')
    wasLost = false
  })
}
