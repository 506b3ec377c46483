import assert from 'node:assert/strict'
import type { Context } from '../harness/context.js'

interface OldLock {
  extend(ttl: number): Promise<OldLock>
  unlock(): Promise<void>
  value: string
}

export async function redlock4(context: Context): Promise<void> {
  const { default: Redlock } = (await import('redlock4')) as unknown as {
    default: new (clients: unknown[], options: object) => { lock(resource: string, ttl: number): Promise<OldLock> }
  }
  const redlock = new Redlock([context.client()], { retryCount: 0 })
  const lock = await redlock.lock('thing', 5_000)
  assert.equal(await context.server.get('thing'), lock.value)
  await assert.rejects(redlock.lock('thing', 5_000), { name: 'LockError' })
  await context.server.script('FLUSH')
  const extended = await lock.extend(9_000)
  assert.ok((await context.server.pttl('thing')) > 5_000)
  await extended.unlock()
  await (await redlock.lock('thing', 5_000)).unlock()
}

export async function redlock5(context: Context): Promise<void> {
  const { default: Redlock } = (await import('redlock5')) as unknown as {
    default: new (
      clients: unknown[],
      options: object,
    ) => {
      acquire(
        resources: string[],
        ttl: number,
      ): Promise<{ release(): Promise<unknown>; extend(ttl: number): Promise<{ release(): Promise<unknown> }> }>
      using<T>(resources: string[], ttl: number, run: (signal: AbortSignal) => Promise<T>): Promise<T>
      quit(): Promise<void>
    }
  }
  const redlock = new Redlock([context.client()], { retryCount: 0 })
  const lock = await redlock.acquire(['a', 'b'], 5_000)
  assert.equal(await context.server.exists('a', 'b'), 2)
  await assert.rejects(redlock.acquire(['b'], 5_000))
  await context.server.script('FLUSH')
  await (await lock.extend(9_000)).release()
  assert.equal(await context.server.exists('a', 'b'), 0)
  assert.equal(await redlock.using(['a'], 5_000, async (signal) => (signal.aborted ? 'no' : 'yes')), 'yes')
  await redlock.quit()
}

export async function sesamecareRedlock(context: Context): Promise<void> {
  const { Redlock } = await import('@sesamecare-oss/redlock')
  const redlock = new Redlock([context.client()], { retryCount: 0 })
  const lock = await redlock.acquire(['a'], 5_000)
  await assert.rejects(redlock.acquire(['a'], 5_000))
  await (await lock.extend(9_000)).release()
  assert.equal(await context.server.exists('a'), 0)
  await redlock.quit()
}

export async function redisSemaphore(context: Context): Promise<void> {
  const { Mutex, Semaphore } = await import('redis-semaphore')
  const redis = context.client()
  const first = new Mutex(redis, 'm', { acquireTimeout: 50 })
  const second = new Mutex(redis, 'm', { acquireTimeout: 50 })
  await first.acquire()
  assert.equal(await second.tryAcquire(), false)
  await assert.rejects(second.acquire(), { message: 'Acquire mutex mutex:m timeout' })
  await context.server.script('FLUSH')
  await first.release()
  assert.equal(await second.tryAcquire(), true)
  await second.release()
  const places = Array.from({ length: 3 }, () => new Semaphore(redis, 's', 2, { acquireTimeout: 50 }))
  const held = await Promise.all(places.map((place) => place.tryAcquire()))
  assert.equal(held.filter(Boolean).length, 2)
  await Promise.all(places.filter((place) => place.isAcquired).map((place) => place.release()))
  await context.server.flushdb()
}
