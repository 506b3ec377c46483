import assert from 'node:assert/strict'
import type { Context } from '../harness/context.js'

export async function keyvValkey(context: Context): Promise<void> {
  const { default: KeyvValkey } = await import('@keyv/valkey')
  const { Keyv } = await import('keyv')
  const store = new KeyvValkey(context.client() as never)
  const keyv = new Keyv({ store: store as never, namespace: 'ns' })
  assert.equal(await keyv.set('a', { n: 1 }), true)
  await keyv.set('b', 'two', 60_000)
  assert.deepEqual(await keyv.get('a'), { n: 1 })
  assert.deepEqual(await keyv.get(['a', 'b', 'c']), [{ n: 1 }, 'two', undefined])
  assert.equal(await keyv.has('b'), true)
  assert.ok((await context.server.dbsize()) > 0, 'the values are on this server')
  assert.equal(await keyv.delete('a'), true)
  assert.equal(await keyv.get('a'), undefined)
  await keyv.clear()
  assert.equal(await keyv.get('b'), undefined)
  await keyv.disconnect()
  await context.server.flushdb()
}

export async function bentocache(context: Context): Promise<void> {
  const { BentoCache, bentostore } = await import('bentocache')
  const { memoryDriver } = await import('bentocache/drivers/memory')
  const { redisBusDriver, redisDriver } = await import('bentocache/drivers/redis')
  const connection = context.client()
  const make = () =>
    new BentoCache({
      default: 'multi',
      stores: {
        multi: bentostore()
          .useL1Layer(memoryDriver({ maxSize: '1mb' }))
          .useL2Layer(redisDriver({ connection }))
          .useBus(redisBusDriver({ connection })),
      },
    })
  const [here, there] = [make(), make()]
  await here.set({ key: 'k', value: { n: 1 }, ttl: '1m' })
  assert.deepEqual(await there.get({ key: 'k' }), { n: 1 })
  assert.equal((await context.server.keys('*')).length, 1, 'the value is on this server')
  await context.until(async () => assert.equal(((await context.server.pubsub('CHANNELS')) as string[]).length, 1))
  await context.until(async () => {
    const counts = (await context.server.pubsub(
      'NUMSUB',
      ...((await context.server.pubsub('CHANNELS')) as string[]),
    )) as unknown[]
    assert.equal(counts[1], 2)
  })
  await here.set({ key: 'k', value: { n: 2 }, ttl: '1m' })
  await context.until(async () => assert.deepEqual(await there.get({ key: 'k' }), { n: 2 }, 'told by the bus'))
  let made = 0
  const factory = async () => ++made
  const all = await Promise.all(Array.from({ length: 5 }, () => here.getOrSet({ key: 'f', factory, ttl: '1m' })))
  assert.deepEqual(all, [1, 1, 1, 1, 1])
  await here.deleteMany({ keys: ['k', 'f'] })
  assert.equal(await here.get({ key: 'k' }), undefined)
  await here.clear()
  await here.disconnectAll()
  await there.disconnectAll()
  await context.server.flushdb()
}

export async function cacheManager(context: Context): Promise<void> {
  const { redisInsStore } = await import('cache-manager-ioredis-yet')
  const store = redisInsStore(context.client() as never, { ttl: 60_000 }) as unknown as CacheStore
  await store.set('a', { n: 1 })
  await store.mset([
    ['b', 2],
    ['c', [3]],
  ])
  assert.deepEqual(await store.mget('a', 'b', 'c', 'nothing'), [{ n: 1 }, 2, [3], undefined])
  assert.ok((await store.ttl('a')) > 50_000)
  assert.deepEqual((await store.keys()).sort(), ['a', 'b', 'c'])
  await store.mdel('a', 'b')
  assert.equal(await store.get('a'), undefined)
  await store.reset()
  assert.equal(await context.server.dbsize(), 0)
}

interface CacheStore {
  set(key: string, value: unknown): Promise<void>
  mset(pairs: [string, unknown][]): Promise<void>
  get(key: string): Promise<unknown>
  mget(...keys: string[]): Promise<unknown[]>
  mdel(...keys: string[]): Promise<void>
  ttl(key: string): Promise<number>
  keys(): Promise<string[]>
  reset(): Promise<void>
}

export async function asyncCacheDedupe(context: Context): Promise<void> {
  const { createCache } = await import('async-cache-dedupe')
  const cache = createCache({
    ttl: 60,
    storage: { type: 'redis', options: { client: context.client(), invalidation: true } },
  } as never)
  let calls = 0
  const named = cache as unknown as {
    user(id: number): Promise<{ id: number; calls: number }>
    define(name: string, options: object, run: (id: number) => Promise<object>): void
    invalidateAll(references: string[]): Promise<void>
  }
  named.define('user', { references: (id: number) => [`user~${id}`] }, async (id) => ({ id, calls: ++calls }))
  const [one, two] = await Promise.all([named.user(7), named.user(7)])
  assert.deepEqual(
    [one, two],
    [
      { id: 7, calls: 1 },
      { id: 7, calls: 1 },
    ],
  )
  await context.until(async () => assert.ok((await context.server.dbsize()) >= 2))
  assert.deepEqual(await named.user(7), { id: 7, calls: 1 })
  await named.invalidateAll(['user~7'])
  assert.deepEqual(await named.user(7), { id: 7, calls: 2 })
  await context.until(async () => assert.ok((await context.server.dbsize()) >= 2))
  await context.server.flushdb()
}

export async function catboxRedis(context: Context): Promise<void> {
  const { Engine } = (await import('@hapi/catbox-redis')) as unknown as { Engine: new (options: object) => object }
  const catbox = (await import('@hapi/catbox')) as unknown as { Client: new (engine: object) => CatboxClient }
  const redis = context.client()
  if (redis.status !== 'ready') await new Promise((resolve) => redis.once('ready', resolve))
  const client = new catbox.Client(new Engine({ client: redis, partition: 'p' }))
  await client.start()
  const key = { segment: 's', id: 'a b' }
  await client.set(key, { n: 1 }, 60_000)
  const found = await client.get(key)
  assert.deepEqual(found?.item, { n: 1 })
  assert.ok((found?.ttl ?? 0) > 50_000)
  await client.drop(key)
  assert.equal(await client.get(key), null)
  await client.stop()
}

interface CatboxClient {
  start(): Promise<void>
  stop(): Promise<void>
  set(key: object, value: unknown, ttl: number): Promise<void>
  get(key: object): Promise<{ item: unknown; ttl: number } | null>
  drop(key: object): Promise<void>
}

export async function fastifyRedis(context: Context): Promise<void> {
  const { default: fastify } = await import('fastify')
  const { default: plugin } = await import('@fastify/redis')
  const app = fastify()
  await app.register(plugin, { client: context.client(), closeClient: true })
  app.get('/', async () => ({ value: await app.redis.get('k') }))
  await context.server.set('k', 'v')
  assert.deepEqual((await app.inject('/')).json(), { value: 'v' })
  await app.close()
  await context.server.del('k')
}
