import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { leakCheckEachTest, RawClient, scriptedPeer, startRedis } from '@cenote/test-support'
import { createPool } from 'cenote'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { blockLoop, clients, many, outcomes, pause, ready, until } from './support.js'

leakCheckEachTest({ beforeEach, afterEach })

/** A peer whose first connections fall silent after their handshake, while later ones are served. */
const silentFirst = (silent: number) => {
  let connections = 0
  return scriptedPeer(async (connection) => {
    const dead = ++connections <= silent
    let greeted = false
    await connection.serve(([name]) => {
      if (/^hello$/i.test(name!)) return "-ERR unknown command 'hello'\r\n"
      if (dead && greeted) return undefined
      if (/^ping$/i.test(name!)) greeted = true
      if (/^client$/i.test(name!)) return '$0\r\n\r\n'
      return name === 'get' ? '$5\r\nvalue\r\n' : '+OK\r\n'
    })
  })
}

describe('a connection that falls silent', () => {
  it('while the server answers others is replaced within two seconds; reads are sent again, writes are unknown', async () => {
    await using peer = await silentFirst(1)
    await using pool = createPool({ port: peer.port, healthCheckIntervalMs: 0 })
    await ready(pool)
    const startedAt = performance.now()
    const reads = many(50, () => pool.get('k'))
    const writes = many(50, () => pool.set('k', 1))
    expect(outcomes(await reads)).toEqual({ ok: 50 })
    expect(outcomes(await writes)).toEqual({ 'CENOTE_OUTCOME_UNKNOWN unknown': 50 })
    expect(performance.now() - startedAt).toBeLessThan(2_500)
    expect(await pool.get('k')).toBe('value')
    expect(pool.stats()).toMatchObject({ closed: { watchdog: 1 }, breaker: 'closed' })
    pool.disconnect()
  })

  it('as a lease is closed, its borrower told, and its place given to the next', async () => {
    await using peer = await silentFirst(2)
    await using pool = createPool({ port: peer.port, maxConnections: 3, healthCheckIntervalMs: 0 })
    await ready(pool)
    const lease = await pool.acquire()
    await expect(lease.set('k', 1)).rejects.toMatchObject({ outcome: 'unknown' })
    await lease.release()
    expect(await pool.withConnection((connection) => connection.get('k'))).toBe('value')
    pool.disconnect()
  })

  it('after five idle seconds swallows nothing: a PING goes first, so the write behind it is provably unsent', async () => {
    await using peer = await silentFirst(1)
    await using pool = createPool({ port: peer.port, healthCheckIntervalMs: 0 })
    await ready(pool)
    await pause(5_100)
    expect(await pool.set('k', 1)).toBe('OK')
    expect(pool.stats().commands).toMatchObject({ unknown: 0, retried: 0 })
    pool.disconnect()
  })
})

describe('a blocking command on a connection that died in silence', () => {
  it('is told by the next health check that its outcome is unknown, instead of waiting for ever', async () => {
    await using redis = await startRedis()
    // A middle box that keeps the client's side open when the server's is closed.
    const sockets: Socket[] = []
    const box = createServer((down) => {
      const up = connect(redis.port, redis.host)
      sockets.push(down, up)
      down.on('data', (chunk) => up.destroyed || up.write(chunk)).on('error', () => undefined)
      up.on('data', (chunk) => down.destroyed || down.write(chunk)).on('error', () => undefined)
    })
    await new Promise<void>((resolve) => box.listen(0, '127.0.0.1', resolve))
    const pool = createPool({ port: (box.address() as AddressInfo).port, healthCheckIntervalMs: 50 })
    await ready(pool)
    const popped = pool.blpop('jobs', 0).catch((error: unknown) => error)
    await until(async () => /cmd=blpop/.test(String(await redis.command('CLIENT', 'LIST'))))
    const line = (await clients(redis)).find((one) => one.includes('cmd=blpop'))!
    await redis.command('CLIENT', 'KILL', 'ID', /^id=(\d+)/.exec(line)![1]!)
    expect(await popped).toMatchObject({
      outcome: 'unknown',
      message: expect.stringContaining('no longer knows the connection'),
    })
    pool.disconnect()
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => box.close(resolve))
  })
})

describe('a server that is busy on purpose', () => {
  it('with CLIENT PAUSE is waited for: nothing is closed, and every command is answered', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, commandTimeoutMs: 10_000 })
    await ready(pool)
    const id = await pool.call('CLIENT', 'ID')
    await redis.command('CLIENT', 'PAUSE', 2_500, 'ALL')
    const results = await many(50, () => pool.incr('n'))
    expect(outcomes(results)).toEqual({ ok: 50 })
    expect(await pool.call('CLIENT', 'ID')).toBe(id)
    expect(await redis.command('GET', 'n')).toBe('50')
    expect(pool.stats().closed.watchdog ?? 0).toBeLessThanOrEqual(0)
  })

  it('with a slow script is waited for as well, also past the time from which it answers BUSY', async () => {
    await using redis = await startRedis({ config: { 'busy-reply-threshold': 200 } })
    await using pool = createPool({ port: redis.port, commandTimeoutMs: 10_000 })
    await ready(pool)
    const id = await pool.call('CLIENT', 'ID')
    using slow = await RawClient.open(redis.target)
    const script =
      "local function now() local t = redis.call('TIME') return t[1] * 1000 + t[2] / 1000 end " +
      'local stop = now() + 1500 while now() < stop do end return 1'
    const running = slow.send('EVAL', script, 0)
    const results = await many(50, () => pool.incr('n'))
    await running
    // BUSY is a refusal before execution, and the server says so itself.
    const held = Number(await redis.command('GET', 'n'))
    expect(held).toBe(outcomes(results).ok ?? 0)
    expect(await pool.call('CLIENT', 'ID')).toBe(id)
  })

  it('stopped altogether (SIGSTOP) for two seconds: nothing is closed, nothing sent twice', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, commandTimeoutMs: 10_000 })
    await ready(pool)
    redis.pause()
    const calls = many(200, () => pool.incr('n'))
    await pause(2_000)
    redis.resume()
    expect(outcomes(await calls)).toEqual({ ok: 200 })
    expect(await redis.command('GET', 'n')).toBe('200')
    expect(pool.stats().commands.retried).toBe(0)
  })

  it('stopped for good: every command ends with its deadline, and says whether it was written', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, commandTimeoutMs: 600 })
    await ready(pool)
    redis.pause()
    const startedAt = performance.now()
    const results = await many(100, () => pool.incr('n'))
    const took = performance.now() - startedAt
    expect(outcomes(results)).toEqual({ 'CENOTE_COMMAND_TIMEOUT unknown': 100 })
    expect((results[0] as PromiseRejectedResult).reason.message).toMatch(/no reply.*replies owed: 100.*loop lag/)
    expect(took).toBeGreaterThanOrEqual(580)
    redis.resume()
    await until(async () => (await pool.get('k').catch(() => 'late')) === null)
  })

  it('holding a command whose caller gave up does not hold up the others for good', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, commandTimeoutMs: 300 })
    await ready(pool)
    // Writes are held, reads are not; both share the connection, so reads wait behind a write.
    await redis.command('CLIENT', 'PAUSE', 60_000, 'WRITE')
    await expect(pool.incr('n')).rejects.toMatchObject({ outcome: 'unknown' })
    await until(async () => (await pool.get('k').catch(() => 'late')) === null)
    expect(pool.stats().closed).toEqual({ watchdog: 1 })
    await redis.command('CLIENT', 'UNPAUSE')
  })

  it('holding a blocking command is left alone for as long as that takes', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port })
    const popped = pool.blpop('jobs', 10)
    await pause(2_500)
    await pool.rpush('jobs', 'late')
    expect(await popped).toEqual(['jobs', 'late'])
    expect(pool.stats().closed).toEqual({})
  })
})

describe('an event loop that was blocked', () => {
  it.each([500, 1_200])('for %i ms makes no time-out, closes nothing, opens no breaker', async (blockedMs) => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, commandTimeoutMs: 400 })
    await ready(pool)
    for (let round = 0; round < 2; round++) {
      const before = many(100, () => pool.incr('n'))
      await new Promise(setImmediate)
      blockLoop(blockedMs)
      const after = many(100, () => pool.incr('n'))
      expect(outcomes([...(await before), ...(await after)])).toEqual({ ok: 200 })
    }
    expect(pool.stats()).toMatchObject({ breaker: 'closed', closed: {}, dials: { attempts: 1 } })
    expect(await clients(redis)).toHaveLength(1)
  })

  it('gives a command issued at its end no more time than it asked for', async () => {
    await using peer = await silentFirst(99)
    await using pool = createPool({ port: peer.port, commandTimeoutMs: 300, watchdogMs: 0 })
    await ready(pool)
    // Keeps the clock ticking while the loop is blocked.
    const first = pool.get('first').catch(() => undefined)
    await pause(50)
    blockLoop(600)
    const issuedAt = performance.now()
    await expect(pool.get('second')).rejects.toMatchObject({ code: 'CENOTE_COMMAND_TIMEOUT' })
    const took = performance.now() - issuedAt
    expect(took).toBeGreaterThanOrEqual(290)
    expect(took).toBeLessThan(600)
    await first
    pool.disconnect()
  })
})
