import { leakCheckEachTest, RawClient, scriptedPeer, startRedis } from '@cenote/test-support'
import { AcquireTimeoutError, createPool, type Lease, type RedisPool } from 'cenote'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { blockLoop, clients, many, outcomes, pause, ready, until } from './support.js'

leakCheckEachTest({ beforeEach, afterEach })

const idOf = (lease: Lease): Promise<unknown> => lease.call('CLIENT', 'ID')

async function borrow(pool: RedisPool, count: number): Promise<Lease[]> {
  return Promise.all(Array.from({ length: count }, () => pool.acquire()))
}

describe('leases', () => {
  it('serve 2,000 callers over 20 connections, and the server never sees more', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, maxConnections: 20, acquireTimeoutMs: 30_000 })
    using observer = await RawClient.open(redis.target)
    let most = 0
    let watching = true
    const watch = (async () => {
      while (watching) {
        const list = String(await observer.send('CLIENT', 'LIST'))
        most = Math.max(most, list.split('\n').filter((line) => line !== '').length - 1)
      }
    })()
    const results = await many(2_000, (i) =>
      pool.withConnection(async (connection) => {
        await connection.watch(`w${i}`)
        return connection.multi().incr('n').exec()
      }),
    )
    watching = false
    await watch
    expect(outcomes(results)).toEqual({ ok: 2_000 })
    expect(await redis.command('GET', 'n')).toBe('2000')
    expect(most).toBeGreaterThan(5)
    expect(most).toBeLessThanOrEqual(20)
    expect(pool.stats().connections.total).toBeLessThanOrEqual(20)
  })

  it('go to waiters in the order of their coming', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, maxConnections: 2 })
    const held = await pool.acquire()
    const served: number[] = []
    const waiting = Array.from({ length: 50 }, async (_, i) => {
      await using _lease = await pool.acquire()
      served.push(i)
    })
    await held.release()
    await Promise.all(waiting)
    expect(served).toEqual(Array.from({ length: 50 }, (_, i) => i))
  })

  it('skip waiters that gave up, and a lease delivered to one is never lost', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, maxConnections: 2 })
    const held = await pool.acquire()
    const abort = new AbortController()
    const quitters = many(20, () => pool.acquire({ signal: abort.signal }))
    const stayer = pool.acquire()
    // Delivery and cancellation in the same turn: each settles once, and the connection ends with the one who stays.
    const released = held.release()
    abort.abort()
    const results = await quitters
    await released
    for (const result of results) if (result.status === 'fulfilled') await (result.value as Lease).release()
    const lease = await stayer
    expect(await lease.ping()).toBe('PONG')
    await lease.release()
    expect(pool.stats()).toMatchObject({ waiters: 0, connections: { leased: 0, idle: 1 } })
  })

  it('time out naming who holds the connections, how long, and from where', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, maxConnections: 3, leakDetectionMs: 60_000 })
    const first = await pool.acquire({ label: 'report' })
    const second = await pool.acquire({ label: 'import' })
    const error = await pool.acquire({ timeoutMs: 60, label: 'checkout' }).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(AcquireTimeoutError)
    const { message, details, outcome } = error as AcquireTimeoutError
    expect(outcome).toBe('not-sent')
    expect(message).toMatch(/checkout within \d+ ms.*Longest holders:.*report for \d+ ms.*maxConnections/s)
    expect(details).toMatchObject({ leased: 2, waiting: 1, max: 3 })
    expect(details.holders[0]).toMatchObject({ label: 'report' })
    expect(details.holders[0]?.stack).toContain('leases.test.ts')
    await first.release()
    await second.release()
  })

  it('refuse at once beyond maxWaiters, with a hint when to come back', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, maxConnections: 2, maxWaiters: 5 })
    const held = await pool.acquire()
    const results = many(50, async () => (await pool.acquire()).release())
    const refusal = await pool.acquire().catch((error: unknown) => error)
    expect(refusal).toMatchObject({ code: 'CENOTE_OVERLOADED', outcome: 'not-sent' })
    expect((refusal as { retryAfterMs: number }).retryAfterMs).toBeGreaterThan(0)
    await held.release()
    expect(outcomes(await results)).toEqual({ ok: 5, 'CENOTE_OVERLOADED not-sent': 45 })
  })

  it('are refused after their release, and twice is once', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port })
    const lease = await pool.acquire()
    await lease.release()
    await lease.release()
    await expect(lease.get('k')).rejects.toMatchObject({ code: 'CENOTE_LEASE_RELEASED', outcome: 'not-sent' })
    expect(pool.stats().connections).toMatchObject({ leased: 0, idle: 1 })
  })
})

describe('what a borrower leaves behind', () => {
  it.each<[string, (lease: Lease) => Promise<unknown>]>([
    ['WATCH', (lease) => lease.watch('k')],
    ['MULTI', (lease) => lease.call('MULTI')],
    ['SELECT', (lease) => lease.select(3)],
    ['CLIENT TRACKING', (lease) => lease.call('CLIENT', 'TRACKING', 'ON')],
    ['MULTI with a command queued', async (lease) => [await lease.call('MULTI'), await lease.set('k', 1)]],
  ])('%s is undone before the next one borrows the same connection', async (_what, change) => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, maxConnections: 2 })
    const first = await pool.acquire()
    const id = await idOf(first)
    await change(first)
    await first.release()
    const next = await pool.acquire()
    expect(await idOf(next)).toBe(id)
    const [line] = (await clients(redis)).filter((one) => one.startsWith(`id=${id} `))
    expect(line).toMatch(/ flags=N .*db=0 .*multi=-1/)
    expect(line).not.toMatch(/watch=[1-9]/)
    await next.release()
  })

  it.each<[string, (lease: Lease) => Promise<unknown>]>([
    ['a changed name', (lease) => lease.call('CLIENT', 'SETNAME', 'mine')],
    ['CLIENT NO-EVICT', (lease) => lease.call('CLIENT', 'NO-EVICT', 'ON')],
  ])('%s, which has no exact undo, costs the connection', async (_what, change) => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, maxConnections: 2 })
    const first = await pool.acquire()
    const id = await idOf(first)
    await change(first)
    await first.release()
    const next = await pool.acquire()
    expect(await idOf(next)).not.toBe(id)
    await next.release()
    expect(pool.stats().closed).toMatchObject({ doubtful: 1 })
  })

  it('an unanswered command costs the connection, so its reply can reach nobody else', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, maxConnections: 2 })
    const first = await pool.acquire()
    const abandoned = first.blpop('nothing', 1).catch((error: unknown) => error)
    await until(() => pool.stats().commands.inFlight > 0)
    await first.release()
    expect(await abandoned).toMatchObject({ code: 'CENOTE_OUTCOME_UNKNOWN', outcome: 'unknown' })
    const next = await pool.acquire()
    expect(await next.echo('mine')).toBe('mine')
    await next.release()
    expect(pool.stats().closed).toMatchObject({ doubtful: 1 })
  })

  it('a connection of a demoted server is not lent again', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, maxConnections: 3 })
    const lease = await pool.acquire()
    await redis.command('REPLICAOF', '127.0.0.1', '1')
    await expect(lease.set('k', 1)).rejects.toMatchObject({ outcome: 'rejected' })
    await lease.release()
    expect(pool.stats()).toMatchObject({ connections: { idle: 0, leased: 0 }, closed: { doubtful: 1 } })
  })
})

describe('idle connections', () => {
  it('are evicted down to the minimum, and refilled to it', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, minConnections: 2, idleTimeoutMs: 80 })
    for (const lease of await borrow(pool, 8)) await lease.release()
    await until(() => pool.stats().connections.idle === 2)
    await until(async () => (await clients(redis)).length === 3)
    await redis.command('CLIENT', 'KILL', 'TYPE', 'normal')
    await until(() => pool.stats().connections.idle === 2 && pool.stats().dials.attempts >= 12)
  })

  it('grow old: they are replaced after their lifetime, spread so that not all go together', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, minConnections: 3, maxLifetimeMs: 200, idleTimeoutMs: 0 })
    await until(() => (pool.stats().closed['max-lifetime'] ?? 0) >= 6)
    await until(() => pool.stats().connections.idle === 3)
  })

  it('are checked before they are lent, and a dead one is replaced without its borrower noticing', async () => {
    await using peer = await scriptedPeer((connection) => {
      let lent = 0
      return connection.serve(([name, ...args]) => {
        if (/^hello$/i.test(name!)) return "-ERR unknown command 'hello'\r\n"
        if (name === 'echo' && ++lent > 0) return `$${args[0]!.length}\r\n${args[0]}\r\n`
        // Alive until it has served once; silent ever after.
        return lent > 0 ? undefined : '+PONG\r\n'
      })
    })
    await using pool = createPool({ port: peer.port, maxConnections: 4, healthCheckIntervalMs: 0 })
    await pool.withConnection((connection) => connection.echo('a'))
    await pause(600)
    const startedAt = performance.now()
    expect(await pool.withConnection((connection) => connection.echo('b'))).toBe('b')
    expect(performance.now() - startedAt).toBeLessThan(900)
    pool.disconnect()
  })
})

describe('leak detection', () => {
  it('tells who borrowed, for how long, and from where, once', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, leakDetectionMs: 50, idleTimeoutMs: 100 })
    const leaks: { label: string; heldMs: number; stack: string }[] = []
    ;(pool as NodeJS.EventEmitter).on('leak', (leak) => leaks.push(leak))
    const lease = await pool.acquire({ label: 'forgotten' })
    await until(() => leaks.length > 0)
    await pause(250)
    expect(leaks).toHaveLength(1)
    expect(leaks[0]).toMatchObject({ label: 'forgotten' })
    expect(leaks[0]!.heldMs).toBeGreaterThanOrEqual(50)
    expect(leaks[0]!.stack).toContain('leases.test.ts')
    await lease.release()
  })
})

describe('a blocked event loop', () => {
  it('does not make a lease outlive its wait, nor end it early', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, maxConnections: 2 })
    const held = await pool.acquire()
    const startedAt = performance.now()
    const waiting = pool.acquire({ timeoutMs: 200 }).catch((error: unknown) => error)
    blockLoop(400)
    expect(await waiting).toBeInstanceOf(AcquireTimeoutError)
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(500)
    await held.release()
    await ready(pool)
  })
})
