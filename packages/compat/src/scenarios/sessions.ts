import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Context } from '../harness/context.js'

export async function connectRedis8(context: Context): Promise<void> {
  const { RedisStore } = await import('connect-redis')
  const store = new RedisStore({ client: context.client(), ttl: 60 })
  const session = { cookie: { originalMaxAge: 60_000 }, user: 'Ünal' }
  const call = <T>(run: (done: (error: unknown, value?: T) => void) => unknown): Promise<T | undefined> =>
    new Promise((resolve, reject) => run((error, value) => (error ? reject(error) : resolve(value))))
  for (const id of ['a', 'b', 'c']) await call((done) => store.set(id, session as never, done))
  assert.deepEqual(await call((done) => store.get('a', done)), session)
  assert.equal((await call((done) => store.get('nobody', done))) ?? null, null)
  assert.ok((await context.server.ttl('sess:a')) > 0)
  await call((done) => store.touch('a', session as never, done))
  assert.equal(await call((done) => store.length(done)), 3)
  assert.deepEqual((await call<string[]>((done) => store.ids(done as never)))?.sort(), ['a', 'b', 'c'])
  assert.equal((await call<unknown[]>((done) => store.all(done as never)))?.length, 3)
  await call((done) => store.destroy('a', done))
  assert.equal(await context.server.exists('sess:a'), 0)
  await call((done) => store.clear(done))
  assert.equal(await context.server.dbsize(), 0)
}

export async function koaRedis(context: Context): Promise<void> {
  const { default: makeStore } = (await import('koa-redis')) as { default: (options: object) => KoaStore }
  const client = context.client()
  if (client.status !== 'ready') await once(client, 'ready')
  const store = makeStore({ client })
  await store.set('sid', { user: 1 }, 60_000)
  assert.deepEqual(await store.get('sid'), { user: 1 })
  assert.equal(await context.server.pttl('sid').then((ttl) => ttl > 50_000), true)
  await store.destroy('sid')
  assert.equal(await store.get('sid'), null)
  const ended = once(store as never, 'end')
  await store.quit()
  await ended
  const other = makeStore({ client: context.client(), db: 3 })
  await other.set('sid', { user: 3 }, 60_000)
  assert.equal(await context.server.exists('sid'), 0, 'db 3 was selected')
  await other.destroy('sid')
  await other.quit()
}

interface KoaStore {
  set(sid: string, value: unknown, ttl: number): Promise<void>
  get(sid: string): Promise<unknown>
  destroy(sid: string): Promise<void>
  quit(): Promise<void>
}

export async function fastifySession(context: Context): Promise<void> {
  const { default: fastify } = await import('fastify')
  const { default: cookie } = await import('@fastify/cookie')
  const { default: session } = await import('@fastify/session')
  const { RedisStore } = await import('@mgcrea/fastify-session-redis-store')
  const store = new RedisStore({ client: context.client(), ttl: 60 })
  const callbacks = {
    set: (id: string, value: object, done: (error?: unknown) => void) =>
      store.set(id, value as never).then(() => done(), done),
    get: (id: string, done: (error: unknown, value?: object) => void) =>
      store.get(id).then((found) => done(null, (found as [object] | null)?.[0] ?? undefined), done),
    destroy: (id: string, done: (error?: unknown) => void) => store.destroy(id).then(() => done(), done),
  }
  const app = fastify()
  await app.register(cookie)
  await app.register(session, { secret: 'a'.repeat(32), cookie: { secure: false }, store: callbacks as never })
  app.get('/', async (request) => {
    const bag = request.session as unknown as { visits?: number }
    bag.visits = (bag.visits ?? 0) + 1
    return { visits: bag.visits }
  })
  const first = await app.inject('/')
  assert.deepEqual(first.json(), { visits: 1 })
  const sent = String(first.headers['set-cookie']).split(';')[0] as string
  const second = await app.inject({ url: '/', headers: { cookie: sent } })
  assert.deepEqual(second.json(), { visits: 2 })
  await app.close()
  await context.server.flushdb()
}
