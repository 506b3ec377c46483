import { Redis } from 'ioredis'

/** The service's RedisLike on a single ioredis client: another implementation of the same interface. */
export function ioredisClient(url, timeoutMs = 2000) {
  const redis = new Redis(url, {
    commandTimeout: timeoutMs,
    maxRetriesPerRequest: 1,
    retryStrategy: () => 100,
    enableAutoPipelining: false,
  })
  redis.on('error', () => {})
  const none = { mean: 0, p50: 0, p95: 0, p99: 0 }
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
      latency: none,
      loopLagMs: 0,
    }),
    health: async () => {
      const started = performance.now()
      try {
        await redis.ping()
        return { status: 'healthy', reasons: [], latencyMs: performance.now() - started, lastError: undefined }
      } catch (error) {
        return { status: 'unhealthy', reasons: [error.message], latencyMs: undefined, lastError: error.message }
      }
    },
    close: async () => {
      redis.disconnect()
    },
  }
}
