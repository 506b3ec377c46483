import { once } from 'node:events'
import { leakCheckEachTest } from '@cenote/test-support'
import { RedisPool } from 'cenote'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { closeAfterEach, openPool, ready, track, useServer } from './support.js'

const server = useServer()
leakCheckEachTest({ beforeEach, afterEach })
closeAfterEach()

const named = async (name: string) =>
  String(await server().command('CLIENT', 'LIST'))
    .split('\n')
    .filter((line) => line.includes(` name=${name} `))

describe('a duplicate', () => {
  it('has exactly one connection, named as asked, whatever it is used for', async () => {
    const pool = openPool(server())
    const duplicate = pool.duplicate({ connectionName: 'worker:1' })
    await duplicate.set('k', 'v')
    await duplicate.blpop('none', 0.01)
    await duplicate.subscribe('channel')
    await duplicate.xread('BLOCK', 10, 'STREAMS', 's', '$')
    await duplicate.watch('k')
    expect(await duplicate.multi().get('k').exec()).toEqual([[null, 'v']])
    expect(await named('worker:1')).toHaveLength(1)
    expect(await duplicate.client('GETNAME')).toBe('worker:1')
    duplicate.disconnect()
    await once(duplicate, 'end')
    expect(duplicate.stats().connections.leased).toBe(0)
  })

  it('draws on the budget of its pool, counts in its statistics, and gives the place back', async () => {
    const pool = openPool(server(), { maxConnections: 5 })
    await ready(pool)
    const duplicates = [pool.duplicate(), pool.duplicate()].map(track)
    await Promise.all(duplicates.map((duplicate) => duplicate.ping()))
    expect(pool.stats().connections).toMatchObject({ total: 3, leased: 2, max: 5 })
    const tooMany = [pool.duplicate(), pool.duplicate()].map(track)
    const [error] = (await once(tooMany[1]!, 'error')) as [Error]
    expect(error.message).toMatch(/No connection is left.*maxConnections/)
    const waiting = tooMany[1]!.ping()
    duplicates[0]!.disconnect()
    expect(await waiting).toBe('PONG')
    expect(pool.stats().connections.total).toBeLessThanOrEqual(5)
  })

  it('takes the place of an idle lease when the budget is used up', async () => {
    const pool = openPool(server(), { maxConnections: 2 })
    await pool.withConnection((lease) => lease.ping())
    expect(pool.stats().connections).toMatchObject({ idle: 1 })
    const duplicate = track(pool.duplicate())
    expect(await duplicate.ping()).toBe('PONG')
    expect(pool.stats().connections).toMatchObject({ idle: 0, leased: 1 })
  })

  it('is of the same class, takes over options, and lives on its own', async () => {
    class Mine extends RedisPool {
      mine = true
    }
    const pool = track(
      new Mine({ port: server().port, keyPrefix: 'p:', db: 2, commandTimeoutMs: 700, lazyConnect: true }),
    )
    const duplicate = track(pool.duplicate({ commandTimeout: 900 }))
    expect(duplicate).toBeInstanceOf(Mine)
    expect(duplicate.mine).toBe(true)
    expect(duplicate.options).toMatchObject({ keyPrefix: 'p:', db: 2, commandTimeoutMs: 900, lazyConnect: true })
    expect(duplicate.status).toBe('wait')
    await duplicate.connect()
    await duplicate.set('k', 1)
    pool.disconnect()
    expect(await duplicate.get('k')).toBe('1')
    expect(await duplicate.quit()).toBe('OK')
    await once(duplicate, 'end')
    await duplicate.connect()
    expect(await duplicate.get('k')).toBe('1')
    const third = track(duplicate.duplicate())
    expect(await third.get('k')).toBe('1')
  })

  it('keeps order with its blocking commands, whose time is not held against those behind them', async () => {
    const pool = openPool(server(), { commandTimeoutMs: 700 })
    const duplicate = track(pool.duplicate())
    await duplicate.ping()
    const order: string[] = []
    const blocked = duplicate.blpop('list', 5).then((reply) => order.push(`blpop ${reply}`))
    const behind = duplicate.get('k').then(() => order.push('get'))
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    await pool.rpush('list', 'x')
    await Promise.all([blocked, behind])
    expect(order).toEqual(['blpop list,x', 'get'])
  })

  it('reconnects, restores its subscriptions, and tells the gap', async () => {
    const pool = openPool(server())
    const duplicate = track(pool.duplicate({ connectionName: 'victim' }))
    await duplicate.subscribe('a')
    const id = /^id=(\d+)/.exec((await named('victim'))[0]!)![1]!
    const gap = once(duplicate, 'gap')
    await server().command('CLIENT', 'KILL', 'ID', id)
    await gap
    const message = once(duplicate, 'message')
    expect(await pool.publish('a', 'x')).toBe(1)
    expect(await message).toEqual(['a', 'x'])
    expect(await duplicate.set('k', 1)).toBe('OK')
  })

  it('lends nothing: acquire says where to ask instead', async () => {
    const pool = openPool(server())
    const duplicate = track(pool.duplicate())
    await expect(duplicate.acquire()).rejects.toThrow(/pool it was made from/)
  })
})
