import assert from 'node:assert/strict'
import { type Context, called } from '../harness/context.js'

export async function rateLimitRedis(context: Context): Promise<void> {
  const { RedisStore } = await import('rate-limit-redis')
  const redis = context.client()
  const store = new RedisStore({ sendCommand: (...args: string[]) => redis.call(...(args as [string])) as never })
  store.init({ windowMs: 60_000 } as never)
  for (let hit = 1; hit <= 3; hit++) {
    const { totalHits, resetTime } = await store.increment('ip')
    assert.equal(totalHits, hit)
    assert.ok(resetTime !== undefined && resetTime.getTime() > Date.now())
  }
  assert.equal((await store.get('ip'))?.totalHits, 3)
  await store.decrement('ip')
  assert.equal((await store.get('ip'))?.totalHits, 2)
  await context.server.script('FLUSH')
  assert.equal((await store.increment('ip')).totalHits, 3, 'a lost script is loaded again')
  await store.resetKey('ip')
}

export async function fastifyRateLimit(context: Context): Promise<void> {
  const { default: fastify } = await import('fastify')
  const { default: plugin } = await import('@fastify/rate-limit')
  const app = fastify()
  await app.register(plugin, { max: 2, timeWindow: 60_000, redis: context.client() })
  app.get('/', async () => 'ok')
  const statuses: number[] = []
  for (let i = 0; i < 4; i++) {
    const response = await app.inject('/')
    statuses.push(response.statusCode)
    assert.equal(response.headers['x-ratelimit-limit'], '2')
    assert.equal(response.headers['x-ratelimit-remaining'], String(Math.max(0, 1 - i)))
  }
  assert.deepEqual(statuses, [200, 200, 429, 429])
  await app.close()
  await context.server.flushdb()
}

export async function rateLimiterFlexible(context: Context): Promise<void> {
  const { RateLimiterRedis } = await import('rate-limiter-flexible')
  const storeClient = context.client()
  const limiter = new RateLimiterRedis({ storeClient, points: 3, duration: 60, keyPrefix: 'rl', blockDuration: 60 })
  const remaining: number[] = []
  for (let i = 0; i < 3; i++) remaining.push((await limiter.consume('user')).remainingPoints)
  assert.deepEqual(remaining, [2, 1, 0])
  await assert.rejects(limiter.consume('user'), (result: { remainingPoints: number }) => result.remainingPoints === 0)
  assert.equal((await limiter.get('user'))?.consumedPoints, 4)
  await limiter.set('vip', 2, 60)
  assert.equal((await limiter.get('vip'))?.consumedPoints, 2)
  assert.equal((await limiter.penalty('vip', 5)).consumedPoints, 7)
  assert.equal((await limiter.reward('vip', 5)).consumedPoints, 2)
  assert.equal(await limiter.delete('user'), true)
  assert.equal(await limiter.delete('vip'), true)
  await context.server.flushdb()
}

export async function ratelimiter(context: Context): Promise<void> {
  const { default: Limiter } = await import('ratelimiter')
  const db = context.client()
  const limiter = new Limiter({ id: 'u', db, max: 3, duration: 60_000 })
  const get = () =>
    new Promise<{ remaining: number; total: number }>((resolve, reject) =>
      limiter.get((error: Error | null, limit: { remaining: number; total: number }) =>
        error ? reject(error) : resolve(limit),
      ),
    )
  const remaining: number[] = []
  for (let i = 0; i < 4; i++) remaining.push((await get()).remaining)
  assert.deepEqual(remaining, [3, 2, 1, 0])
  await context.server.flushdb()
}

export async function asyncRatelimiter(context: Context): Promise<void> {
  const { default: RateLimiter } = await import('async-ratelimiter')
  const limiter = new RateLimiter({ db: context.client(), max: 3, duration: 60_000, id: 'u' })
  const remaining: number[] = []
  for (let i = 0; i < 4; i++) remaining.push((await limiter.get()).remaining)
  assert.deepEqual(remaining, [3, 2, 1, 0])
  await context.server.flushdb()
}

export async function throttlerStorage(context: Context): Promise<void> {
  await import('reflect-metadata')
  const { ThrottlerStorageRedisService } = await import('@nest-lab/throttler-storage-redis')
  const storage = new ThrottlerStorageRedisService(context.client())
  const first = await storage.increment('ip', 60_000, 2, 1_000, 'default')
  assert.equal(first.totalHits, 1)
  assert.equal(first.isBlocked, false)
  assert.ok(first.timeToExpire > 50 && first.timeToExpire <= 60, String(first.timeToExpire))
  await storage.increment('ip', 60_000, 2, 1_000, 'default')
  const third = await storage.increment('ip', 60_000, 2, 1_000, 'default')
  assert.equal(third.isBlocked, true)
  assert.equal((await context.server.keys('*')).length > 0, true, 'the hits are on this server')
  await context.server.flushdb()
}

export async function bottleneck(context: Context): Promise<void> {
  const { default: Bottleneck } = await import('bottleneck')
  const connection = new Bottleneck.IORedisConnection({ client: context.client() as never })
  const limiter = new Bottleneck({
    id: 'b',
    datastore: 'ioredis',
    connection,
    maxConcurrent: 2,
    reservoir: 4,
    clearDatastore: true,
  })
  await limiter.ready()
  let running = 0
  let most = 0
  const twoRan = called<[]>()
  const job = async (n: number) => {
    most = Math.max(most, ++running)
    if (running === 2) twoRan.fn()
    // The first waits for a second one, which must come; a third must not.
    await twoRan.promise
    await new Promise((resolve) => setTimeout(resolve, 10))
    running--
    return n
  }
  const results = await Promise.all([1, 2, 3, 4].map((n) => limiter.schedule(() => job(n))))
  assert.deepEqual(results, [1, 2, 3, 4])
  assert.equal(most, 2)
  assert.equal(await limiter.currentReservoir(), 0)
  await limiter.disconnect(true)
  await connection.disconnect(true)
  await context.server.flushdb()
}
