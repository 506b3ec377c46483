import { EventEmitter, once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { leakCheckEachTest } from '@cenote/test-support'
import type { RedisPool } from 'cenote'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { closeAfterEach, nextTurn, openPool, useServer } from './support.js'

const server = useServer()
leakCheckEachTest({ beforeEach, afterEach })
closeAfterEach()

/** Adds one to a key, as everyone writes it; true when the transaction went through. */
async function increment(pool: RedisPool, key: string): Promise<boolean> {
  await pool.watch(key)
  const value = Number(await pool.get(key))
  const results = await pool
    .multi()
    .set(key, value + 1)
    .exec()
  return results !== null
}

describe('WATCH on the pool', () => {
  it('protects its caller: a change in between makes EXEC null', async () => {
    const pool = openPool(server())
    await pool.watch('k')
    await server().command('SET', 'k', 'changed')
    expect(await pool.multi().set('k', 'mine').exec()).toBeNull()
    expect(await pool.get('k')).toBe('changed')
    expect(await pool.multi().set('k', 'mine').exec()).toEqual([[null, 'OK']])
  })

  it('of callers started in one loop, on keys of their own, never aborts any of them', async () => {
    const pool = openPool(server(), { maxConnections: 12, acquireTimeoutMs: 15_000 })
    const results = await Promise.all(Array.from({ length: 60 }, (_, i) => increment(pool, `own:${i}`)))
    expect(results).toEqual(Array(60).fill(true))
  })

  it('of callers on one key lets one through at a time, and loses no update', async () => {
    const pool = openPool(server(), { maxConnections: 8, acquireTimeoutMs: 15_000 })
    const untilDone = async () => {
      while (!(await increment(pool, 'shared'))) await nextTurn()
    }
    await Promise.all(Array.from({ length: 20 }, untilDone))
    expect(await pool.get('shared')).toBe('20')
  })

  it('is not seen by those who started the caller, nor by their MULTI', async () => {
    const pool = openPool(server())
    let go!: () => void
    const gate = new Promise<void>((resolve) => {
      go = resolve
    })
    const caller = async () => {
      await pool.watch('k')
      expect(await pool.get('k')).toBeNull()
      await gate
      return pool.multi().set('k', 'caller').exec()
    }
    const running = caller()
    expect(await pool.multi().set('other', 1).exec()).toEqual([[null, 'OK']])
    await sleep(20)
    await server().command('SET', 'k', 'changed')
    // This context ran in the same turn as the caller's WATCH, and goes on after it.
    expect(await pool.multi().set('other', 2).exec()).toEqual([[null, 'OK']])
    expect(await pool.multi({ pipeline: false })).toBe('OK')
    pool.set('other', 3)
    expect(await pool.exec()).toEqual([[null, 'OK']])
    go()
    expect(await running).toBeNull()
  })

  it('follows its caller through timers, and sees branches of Promise.all apart', async () => {
    const pool = openPool(server())
    const branch = async (key: string, disturb: boolean) => {
      await pool.watch(key)
      await sleep(5)
      const before = await pool.get(key)
      if (disturb) await server().command('SET', key, 'stranger')
      await sleep(5)
      return pool.multi().set(key, `${before}+`).exec()
    }
    expect(await Promise.all([branch('a', false), branch('b', true), branch('c', false)])).toEqual([
      [[null, 'OK']],
      null,
      [[null, 'OK']],
    ])
  })

  it('keeps a caller that does other things first apart from a stranger that watches meanwhile', async () => {
    const pool = openPool(server())
    let go!: () => void
    const gate = new Promise<void>((resolve) => {
      go = resolve
    })
    const slow = async () => {
      await pool.watch('a')
      await gate
      return pool.multi().set('a', 'slow').exec()
    }
    const running = slow()
    await sleep(20)
    // Nothing but its time tells this context from the caller's: it ran in the same turn and comes after the answer.
    await pool.watch('b')
    expect(await pool.multi().set('b', 'stranger').exec()).toEqual([[null, 'OK']])
    await server().command('SET', 'a', 'changed')
    go()
    expect(await running).toBeNull()
  })

  it('of event handlers of one emitter belongs to each handler', async () => {
    const pool = openPool(server())
    const emitter = new EventEmitter()
    const results: Promise<boolean>[] = []
    emitter.on('job', (key: string) => results.push(increment(pool, key)))
    for (let i = 0; i < 8; i++) emitter.emit('job', `job:${i}`)
    expect(await Promise.all(results)).toEqual(Array(8).fill(true))
  })

  it('works through wrappers, callbacks, several keys and without awaiting', async () => {
    const pool = openPool(server())
    const wrapped = async (key: string) => pool.watch(key)
    await wrapped('w')
    await server().command('SET', 'w', 1)
    expect(await pool.multi().get('w').exec()).toBeNull()

    await Promise.all([pool.watch('x'), pool.watch('y')])
    await server().command('SET', 'x', 1)
    expect(await pool.multi().get('x').exec()).toBeNull()

    const aborted = await new Promise((resolve, reject) => {
      pool.watch('z', (error) => {
        if (error) reject(error)
        else
          server()
            .command('SET', 'z', 1)
            .then(() => pool.multi().get('z').exec().then(resolve), reject)
      })
    })
    expect(aborted).toBeNull()

    pool.watch('v')
    pool.set('v', 'own')
    expect(await pool.multi().set('v', 'x').exec()).toBeNull()
    expect(await pool.get('v')).toBe('own')
  })

  it('sees what its caller wrote before as done, not as a change', async () => {
    const pool = openPool(server())
    for (let i = 0; i < 20; i++) {
      for (let n = 0; n < 50; n++) pool.set('k', n)
      await pool.watch('k')
      expect(await pool.get('k')).toBe('49')
      expect(await pool.multi().incr('k').exec()).toEqual([[null, 50]])
    }
  })

  it('ends with UNWATCH and DISCARD, and gives the connection back', async () => {
    const pool = openPool(server())
    await pool.watch('k')
    expect(pool.stats().connections.leased).toBe(1)
    expect(await pool.unwatch()).toBe('OK')
    expect(pool.stats().connections.leased).toBe(0)
    await server().command('SET', 'k', 1)
    expect(await pool.multi().get('k').exec()).toEqual([[null, '1']])
    await pool.watch('k')
    await pool.multi({ pipeline: false })
    await pool.set('k', 2)
    expect(await pool.discard()).toBe('OK')
    expect(pool.stats().connections.leased).toBe(0)
    expect(await pool.get('k')).toBe('1')
  })

  it('given up after watchTimeoutMs, or with its connection, refuses the EXEC instead of running it unprotected', async () => {
    const pool = openPool(server(), { watchTimeoutMs: 500 })
    await pool.watch('k')
    while (pool.stats().connections.leased > 0) await sleep(10)
    await expect(pool.multi().set('k', 1).exec()).rejects.toMatchObject({ outcome: 'not-sent', code: 'CENOTE_ABORTED' })
    expect(await pool.multi().set('k', 2).exec()).toEqual([[null, 'OK']])

    const other = openPool(server())
    await other.watch('k')
    expect(await other.get('k')).toBe('2')
    const lost = once(other, 'ready')
    await server().command('CLIENT', 'KILL', 'TYPE', 'normal')
    await lost
    await expect(other.multi().set('k', 3).exec()).rejects.toMatchObject({ outcome: 'not-sent' })
    expect(await other.get('k')).toBe('2')
  })

  it('on a lease and on a duplicate belongs to their connection', async () => {
    const pool = openPool(server())
    await pool.withConnection(async (lease) => {
      await lease.watch('k')
      await pool.set('k', 1)
      expect(await lease.multi().set('k', 2).exec()).toBeNull()
      expect(await lease.multi({ pipeline: false })).toBe('OK')
      expect(await lease.get('k')).toBe('QUEUED')
      expect(await lease.exec()).toEqual([[null, '1']])
    })
    const duplicate = pool.duplicate()
    await duplicate.watch('k')
    await pool.set('k', 3)
    expect(await duplicate.multi().set('k', 4).exec()).toBeNull()
    duplicate.disconnect()
  })
})
