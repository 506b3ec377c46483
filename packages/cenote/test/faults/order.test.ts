import { leakCheckEachTest, scriptedPeer, startRedis } from '@cenote/test-support'
import { createPool } from 'cenote'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { many, outcomes, ready, serving, until } from './support.js'

leakCheckEachTest({ beforeEach, afterEach })

describe('commands that the server refuses before it runs them', () => {
  it.each([
    'LOADING Redis is loading the dataset in memory',
    'MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to ‘no’.',
    'TRYAGAIN Multiple keys request during rehashing of slot',
    'CLUSTERDOWN The cluster is down',
  ])('(%s) arrive in their order, and nothing overtakes them', async (refusal) => {
    const arrived: string[] = []
    let refusing = true
    await using peer = await scriptedPeer(
      serving(([name, key]) => {
        if (name !== 'set') return '+OK\r\n'
        if (refusing) return `-${refusal}\r\n`
        arrived.push(key!)
        return '+OK\r\n'
      }),
    )
    await using pool = createPool({ port: peer.port, retry: { baseDelayMs: 40, factor: 2 } })
    await ready(pool)
    const first = many(3, (i) => pool.set(`early${i}`, 1))
    await until(() => pool.stats().commands.retried >= 3)
    const later = many(3, (i) => pool.set(`late${i}`, 1))
    refusing = false
    expect(outcomes([...(await first), ...(await later)])).toEqual({ ok: 6 })
    expect(arrived).toEqual(['early0', 'early1', 'early2', 'late0', 'late1', 'late2'])
    pool.disconnect()
  })

  it('(READONLY) go in their order to the server that the name leads to then', async () => {
    const arrived: string[] = []
    const READONLY = "-READONLY You can't write against a read only replica.\r\n"
    const served = (demoted: boolean) =>
      serving(([name, key]) => {
        if (name !== 'set') return '+OK\r\n'
        if (demoted) return READONLY
        arrived.push(key!)
        return '+OK\r\n'
      })
    await using peer = await scriptedPeer(served(true), served(false))
    await using pool = createPool({ port: peer.port })
    await ready(pool)
    const results = await many(20, (i) => pool.set(`k${i}`, 1))
    expect(outcomes(results)).toEqual({ ok: 20 })
    expect(arrived).toEqual(Array.from({ length: 20 }, (_, i) => `k${i}`))
    pool.disconnect()
  })
})

describe('several lanes', () => {
  it('take the same one for a key as text and as Buffer, whatever its characters', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, lanes: 4 })
    await ready(pool)
    await many(100, (i) => pool.get(`k${i}`))
    expect(pool.stats().connections.lanes).toBe(4)
    const keys = ['plain', 'žluť', '鍵', '🐎', 'ключ', 'κλειδί', 'clé', 'k\u0000', '']
    const pushed: Promise<number>[] = []
    for (let i = 0; i < 30 * keys.length; i++) {
      const key = keys[i % keys.length]!
      pushed.push(pool.rpush(Math.floor(i / keys.length) % 2 === 0 ? key : Buffer.from(key), i))
    }
    await Promise.all(pushed)
    for (const key of keys) {
      const log = ((await redis.command('LRANGE', key, 0, -1)) as string[]).map(Number)
      expect(log).toHaveLength(30)
      expect(log).toEqual([...log].sort((a, b) => a - b))
    }
  })

  it('keep a transaction together on one of them', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, lanes: 4 })
    await ready(pool)
    const results = await many(100, (i) => pool.multi().incr(`a${i}`).incr('shared').incr(`b${i}`).exec())
    expect(outcomes(results)).toEqual({ ok: 100 })
    expect(await redis.command('GET', 'shared')).toBe('100')
  })

  it('leave unordered commands to those that are up', async () => {
    let connected = 0
    await using peer = await scriptedPeer((connection) => {
      // Both lanes come up; whoever dials later finds nobody.
      if (++connected > 2) return connection.reset()
      return serving(([name]) => (name === 'exec' ? '*1\r\n+OK\r\n' : '+OK\r\n'))(connection)
    })
    await using pool = createPool({ port: peer.port, lanes: 2, failFastAfterMs: 0, watchdogMs: 0 })
    await ready(pool)
    await until(() => pool.stats().connections.lanes === 2)
    peer.connections[1]!.reset()
    await until(() => pool.stats().connections.lanes === 1)
    const view = pool.with({ unordered: true, timeoutMs: 500 })
    expect(outcomes(await many(50, (i) => view.set(`k${i}`, 1)))).toEqual({ ok: 50 })
    expect(await view.multi().set('k', 1).exec()).toEqual([[null, 'OK']])
    pool.disconnect()
  })
})
