import { Redis } from 'ioredis'
import type { RedisLike } from '../../src/redis/like.js'

/** The service's RedisLike on a single ioredis client. */
export function ioredisClient(url: string, timeoutMs: number): RedisLike {
  const redis = new Redis(url, { commandTimeout: timeoutMs, maxRetriesPerRequest: 1, retryStrategy: () => 100 })
  redis.on('error', () => {})
  return {
    hmget: (key, ...fields) => redis.hmget(key, ...fields),
    del: (key) => redis.del(key),
    evalsha: (sha, keyCount, ...rest) => redis.evalsha(sha, keyCount, ...rest),
    eval: (script, keyCount, ...rest) => redis.eval(script, keyCount, ...rest),
    stats: () => ({
      connections: { total: 1, max: 1, leased: 0, idle: 0, lanes: 1, dialing: 0 },
      waiters: 0,
      utilization: 0,
      commands: { ok: 0, rejected: 0, notSent: 0, unknown: 0, retried: 0, inFlight: 0, queued: 0 },
      acquireTimeouts: 0,
      latency: { mean: 0, p50: 0, p95: 0, p99: 0 },
      loopLagMs: 0,
    }),
    health: async () => {
      const started = performance.now()
      try {
        await redis.ping()
        return { status: 'healthy', reasons: [], latencyMs: performance.now() - started, lastError: undefined }
      } catch (error) {
        return { status: 'unhealthy', reasons: [String(error)], latencyMs: undefined, lastError: String(error) }
      }
    },
    close: async () => redis.disconnect(),
  }
}
