import { once } from 'node:events'
import { leakCheckEachTest, type RedisServer, startRedis } from '@cenote/test-support'
import { createPool } from 'cenote'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { clients, ready, until } from './support.js'

leakCheckEachTest({ beforeEach, afterEach })

const subscribers = async (redis: RedisServer) => (await clients(redis)).filter((line) => /[p]?sub=[1-9]/.test(line))
const killSubscriber = async (redis: RedisServer) => {
  const [line] = await subscribers(redis)
  await redis.command('CLIENT', 'KILL', 'ID', /^id=(\d+)/.exec(line!)![1]!)
}

describe('a name that several callers subscribe to', () => {
  it('stays subscribed when one of them gives up, also over a reconnect', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port })
    await pool.subscribe('news')
    await redis.command('CLIENT', 'PAUSE', 300, 'ALL')
    const abort = new AbortController()
    const given = pool.with({ signal: abort.signal }).subscribe('news', 'more')
    const kept = pool.subscribe('more')
    const late = pool.with({ timeoutMs: 50 }).subscribe('news', 'more')
    await new Promise((resolve) => setImmediate(resolve))
    abort.abort()
    await expect(given).rejects.toMatchObject({ name: 'AbortError' })
    await expect(late).rejects.toMatchObject({ code: 'CENOTE_COMMAND_TIMEOUT' })
    await kept
    const gap = once(pool, 'gap')
    await killSubscriber(redis)
    await gap
    for (const channel of ['news', 'more']) {
      const heard = once(pool, 'message')
      expect(await redis.command('PUBLISH', channel, 'hello')).toBe(1)
      expect(await heard).toEqual([channel, 'hello'])
    }
  })

  it('is not forgotten because the server refused another that came along with it', async () => {
    await using redis = await startRedis({ users: ['app on >pw ~* resetchannels &open +@all'] })
    await using pool = createPool({ port: redis.port, username: 'app', password: 'pw' })
    await pool.subscribe('open')
    await expect(pool.subscribe('open', 'closed')).rejects.toThrow(/NOPERM/)
    const gap = once(pool, 'gap')
    await killSubscriber(redis)
    await gap
    expect(await redis.command('PUBLISH', 'open', 'x')).toBe(1)
    expect((await pool.health()).status).toBe('healthy')
  })
})

describe('a restoration', () => {
  it('of which one channel is refused brings the others back, says so in health(), and tries it again', async () => {
    await using redis = await startRedis({ users: ['app on >pw ~* resetchannels &a &b &c +@all'] })
    await using pool = createPool({ port: redis.port, username: 'app', password: 'pw' })
    pool.on('error', () => undefined)
    await pool.subscribe('a', 'b', 'c')
    const gap = new Promise((resolve) => pool.once('gap', resolve))
    // The server closes connections that are subscribed to what is not allowed any more.
    await redis.command('ACL', 'SETUSER', 'app', 'resetchannels', '&a', '&c')
    await gap
    expect(await redis.command('PUBLISH', 'a', 'x')).toBe(1)
    expect(await redis.command('PUBLISH', 'c', 'x')).toBe(1)
    expect(await redis.command('PUBLISH', 'b', 'x')).toBe(0)
    const health = await pool.health()
    expect(health.status).toBe('degraded')
    expect(health.reasons.join()).toMatch(/1 subscriptions could not be restored.*NOPERM/)
    await redis.command('ACL', 'SETUSER', 'app', '&b')
    await until(async () => (await redis.command('PUBLISH', 'b', 'y')) === 1)
    expect((await pool.health()).status).toBe('healthy')
  })
})

describe('on RESP2', () => {
  it('leaving a shard channel does not end what else is subscribed', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, protocol: 2 })
    await ready(pool)
    await pool.subscribe('a')
    await pool.ssubscribe('s')
    await pool.sunsubscribe('s')
    const heard = once(pool, 'message')
    expect(await redis.command('PUBLISH', 'a', 'x')).toBe(1)
    expect(await heard).toEqual(['a', 'x'])
    expect(pool.stats().closed).toEqual({})
  })
})

describe('after close()', () => {
  it('subscribe() and monitor() are refused, and open nothing', async () => {
    await using redis = await startRedis()
    const pool = createPool({ port: redis.port })
    await ready(pool)
    await pool.close()
    await expect(pool.subscribe('a')).rejects.toMatchObject({ code: 'CENOTE_CLOSED', outcome: 'not-sent' })
    await expect(pool.monitor()).rejects.toMatchObject({ code: 'CENOTE_CLOSED', outcome: 'not-sent' })
    await expect(pool.pipeline().subscribe('a').exec()).resolves.toEqual([
      [expect.objectContaining({ code: 'CENOTE_CLOSED' })],
    ])
    await until(async () => (await clients(redis)).length === 0)
  })
})
