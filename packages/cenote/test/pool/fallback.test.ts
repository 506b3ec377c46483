import dns from 'node:dns'
import { freePort, leakCheckEachTest, startRedis } from '@cenote/test-support'
import { ConfigError, createPool } from 'cenote'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { clients, many, outcomes, ready, until } from './support.js'

leakCheckEachTest({ beforeEach, afterEach })

describe('the fallback client', () => {
  it('serves while the pool has no connection, and no longer; stats, events and health show it', async () => {
    await using other = await startRedis()
    await using redis = await startRedis()
    await using plain = createPool({ port: other.port })
    await ready(plain)
    await using pool = createPool({ port: redis.port, fallback: plain, lazyConnect: true })
    const switches: unknown[] = []
    ;(pool as NodeJS.EventEmitter).on('fallback', (change) => switches.push(change))
    // Not started yet.
    expect(await pool.set('k', 1)).toBe('OK')
    expect(await other.command('GET', 'k')).toBe('1')
    await until(() => pool.status === 'ready')
    expect(await pool.set('k', 2)).toBe('OK')
    expect(await redis.command('GET', 'k')).toBe('2')
    // Unreachable.
    await redis.kill()
    await until(() => pool.stats().breaker !== 'closed')
    expect(outcomes(await many(50, () => pool.incr('n')))).toEqual({ ok: 50 })
    expect(await other.command('GET', 'n')).toBe('50')
    expect(pool.stats().fallback).toMatchObject({ active: true, reason: 'breaker-open', commands: 51 })
    expect((await pool.health()).reasons.join()).toContain('fallback')
    await redis.restart()
    await until(() => pool.status === 'ready')
    expect(await pool.incr('n')).toBe(1)
    expect(pool.stats().fallback).toMatchObject({ active: false, commands: 51 })
    expect(switches).toEqual([
      { active: true, reason: 'not-started' },
      { active: false, reason: undefined },
      { active: true, reason: 'breaker-open' },
      { active: false, reason: undefined },
    ])
  })

  it('takes blocking commands when the budget is exhausted', async () => {
    await using redis = await startRedis()
    await using plain = createPool({ port: redis.port, name: 'plain' })
    await using pool = createPool({ port: redis.port, maxConnections: 2, acquireTimeoutMs: 50, fallback: plain })
    await ready(pool)
    await using _held = await pool.acquire()
    await redis.command('RPUSH', 'jobs', 'a')
    expect(await pool.blpop('jobs', 1)).toEqual(['jobs', 'a'])
    expect(pool.stats().fallback).toMatchObject({ reason: 'budget-exhausted', commands: 1 })
  })

  it('must be able to take commands', () => {
    expect(() => createPool({ fallback: {} as never })).toThrow(ConfigError)
  })
})

describe('a name', () => {
  const original = dns.lookup
  afterEach(() => {
    dns.lookup = original
  })
  let addresses: string[] = []
  const answer = (...next: string[]) => {
    addresses = next
    dns.lookup = ((_name: string, _options: object, done: (error: null, found: object[]) => void) =>
      process.nextTick(
        done,
        null,
        addresses.map((address) => ({ address, family: 4 })),
      )) as never
  }

  it('is resolved by each dial, and all its addresses are tried', async () => {
    await using redis = await startRedis()
    answer('127.0.0.9', '127.0.0.1')
    await using pool = createPool({ host: 'redis.test', port: redis.port })
    expect(await pool.ping()).toBe('PONG')
  })

  it('that leads to another server after the first one died is followed at the next dial', async () => {
    const port = await freePort()
    await using old = await startRedis({ port, config: { bind: '127.0.0.1' } })
    await using next = await startRedis({ port, config: { bind: '127.0.0.2' } })
    answer('127.0.0.1')
    await using pool = createPool({ host: 'redis.test', port })
    await ready(pool)
    answer('127.0.0.2')
    await old.kill()
    await until(() => pool.stats().dials.attempts > 1)
    expect(await pool.set('k', 'here')).toBe('OK')
    expect(await next.command('GET', 'k')).toBe('here')
  })

  it('that leads elsewhere while the old server still answers is followed by the health check', async () => {
    const port = await freePort()
    await using old = await startRedis({ port, config: { bind: '127.0.0.1' } })
    await using next = await startRedis({ port, config: { bind: '127.0.0.2' } })
    answer('127.0.0.1')
    await using pool = createPool({ host: 'redis.test', port, healthCheckIntervalMs: 40, minConnections: 2 })
    await ready(pool)
    await until(() => pool.stats().connections.idle === 2)
    answer('127.0.0.2')
    await until(async () => (await clients(old)).length === 0)
    expect(await pool.set('k', 'here')).toBe('OK')
    expect(await next.command('GET', 'k')).toBe('here')
  })

  it('that cannot be resolved is named in the error', async () => {
    dns.lookup = ((_name: string, _options: object, done: (error: Error) => void) =>
      process.nextTick(done, Object.assign(new Error('no'), { code: 'ENOTFOUND' }))) as never
    await using pool = createPool({ host: 'redis.test', commandTimeoutMs: 100 })
    await expect(pool.ping()).rejects.toThrow(/redis\.test could not be resolved: ENOTFOUND/)
    pool.disconnect()
  })
})
