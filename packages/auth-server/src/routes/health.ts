import type { FastifyInstance } from 'fastify'
import type { RedisHealth } from '../redis/like.js'
import type { Services } from '../services.js'
import { totals } from '../worker-stats.js'

/** Process, Redis and readiness, and the pool's figures over all workers. */
export function healthRoutes(app: FastifyInstance, services: Services): void {
  const { accounts, config, keys, lifecycle, redis, worker } = services
  const redisHealth = healthChecker(() => redis.health(), config.redisTimeoutMs)

  app.get('/.well-known/jwks.json', async (_request, reply) => {
    reply.header('cache-control', 'public, max-age=300')
    return { keys: keys.verifying.map((key) => key.jwk) }
  })

  app.get('/health', async () => ({
    status: 'ok',
    pid: process.pid,
    worker,
    uptimeSeconds: Math.floor(process.uptime()),
  }))

  app.get('/health/redis', async (_request, reply) => {
    const health = await redisHealth()
    if (health.status === 'unhealthy') reply.code(503).header('retry-after', '1')
    return {
      status: health.status,
      reasons: health.reasons,
      latencyMs: health.latencyMs ?? null,
      lastError: health.lastError ?? null,
      worker,
      pid: process.pid,
      ...redis.stats(),
    }
  })

  app.get('/health/pool', async () => {
    const all = await services.allWorkers()
    return { total: totals(all), workers: all }
  })

  app.get('/ready', async (_request, reply) => {
    const checks = {
      accepting: !lifecycle.draining,
      redis: (await redisHealth()).status !== 'unhealthy',
      accounts: storeAnswers(() => accounts.ping()),
    }
    const ready = Object.values(checks).every(Boolean)
    if (!ready) reply.code(503).header('retry-after', '1')
    return { ready, checks }
  })
}

/** One check at a time, however many ask, and an answer within the deadline whatever the client does. */
function healthChecker(check: () => Promise<RedisHealth>, timeoutMs: number): () => Promise<RedisHealth> {
  let running: Promise<RedisHealth> | undefined
  return () => {
    running ??= bounded(check(), timeoutMs).finally(() => {
      running = undefined
    })
    return running
  }
}

async function bounded(check: Promise<RedisHealth>, timeoutMs: number): Promise<RedisHealth> {
  const unhealthy = (reason: string): RedisHealth => ({
    status: 'unhealthy',
    reasons: [reason],
    latencyMs: undefined,
    lastError: undefined,
  })
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<RedisHealth>((resolve) => {
    timer = setTimeout(() => resolve(unhealthy(`no answer within ${timeoutMs} ms`)), timeoutMs)
  })
  try {
    return await Promise.race([check, late])
  } catch {
    return unhealthy('the health check failed')
  } finally {
    clearTimeout(timer)
  }
}

function storeAnswers(ask: () => void): boolean {
  try {
    ask()
    return true
  } catch {
    return false
  }
}
