import { freePort, leakCheckEachTest, startRedis } from '@cenote/test-support'
import { createPool } from 'cenote'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { clients, many, outcomes, pause, ready, until } from './support.js'

leakCheckEachTest({ beforeEach, afterEach })

describe('close', () => {
  it('answers what is in flight, refuses what comes later, leaves no connection', async () => {
    await using redis = await startRedis()
    const pool = createPool({ port: redis.port })
    await ready(pool)
    const inFlight = many(200, () => pool.incr('n'))
    const closed = pool.close()
    const late = await pool.incr('n').catch((error: unknown) => error)
    await closed
    expect(outcomes(await inFlight)).toEqual({ ok: 200 })
    expect(late).toMatchObject({ code: 'CENOTE_CLOSED', outcome: 'not-sent', message: 'Connection is closed.' })
    expect(await redis.command('GET', 'n')).toBe('200')
    await until(async () => (await clients(redis)).length === 0)
  })

  it('waits for borrowers, and takes the rest back when its time is up', async () => {
    await using redis = await startRedis()
    const pool = createPool({ port: redis.port })
    await ready(pool)
    const polite = await pool.acquire()
    const rude = await pool.acquire()
    const waiting = rude.blpop('never', 0).catch((error: unknown) => error)
    const closed = pool.close({ timeoutMs: 300 })
    expect(await polite.set('k', 1)).toBe('OK')
    await polite.release()
    await closed
    expect(await waiting).toMatchObject({ outcome: 'unknown' })
    await expect(rude.get('k')).rejects.toMatchObject({ outcome: 'not-sent' })
    await rude.release()
  })

  it('twice is once, and both wait for the end', async () => {
    await using redis = await startRedis()
    const pool = createPool({ port: redis.port })
    await ready(pool)
    await redis.command('CLIENT', 'PAUSE', 150, 'ALL')
    const calls = many(10, () => pool.incr('n'))
    await Promise.all([pool.close(), pool.close()])
    expect(outcomes(await calls)).toEqual({ ok: 10 })
    expect(pool.status).toBe('end')
  })

  it('while no server is reachable rejects what is parked as not sent, in time', async () => {
    const pool = createPool({ port: await freePort(), commandTimeoutMs: 0, failFastAfterMs: 0 })
    const calls = many(50, () => pool.incr('n'))
    const blocked = pool.blpop('jobs', 0).catch((error: unknown) => error)
    const lease = pool.acquire({ timeoutMs: 0 }).catch((error: unknown) => error)
    await pause(50)
    const startedAt = performance.now()
    await pool.close({ timeoutMs: 100 })
    expect(performance.now() - startedAt).toBeLessThan(1_000)
    expect(outcomes(await calls)).toEqual({ 'CENOTE_CLOSED not-sent': 50 })
    expect(await blocked).toMatchObject({ outcome: 'not-sent' })
    expect(await lease).toMatchObject({ outcome: 'not-sent' })
  })
})

describe('disconnect', () => {
  it('still writes what was issued before it, and its callers hear what came of it', async () => {
    await using redis = await startRedis()
    const pool = createPool({ port: redis.port })
    await ready(pool)
    const before = many(50, () => pool.incr('n'))
    const last = pool.rpush('log', 'last words')
    pool.disconnect()
    const late = pool.incr('n').catch((error: unknown) => error)
    expect(await last).toBe(1)
    expect(outcomes(await before)).toEqual({ ok: 50 })
    expect(await late).toMatchObject({ code: 'CENOTE_CLOSED', outcome: 'not-sent' })
    expect(await redis.command('LRANGE', 'log', 0, -1)).toEqual(['last words'])
    expect(await redis.command('GET', 'n')).toBe('50')
  })

  it('with new connections to follow loses nothing either', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port })
    await ready(pool)
    const before = many(50, (i) => pool.rpush('log', i))
    pool.disconnect(true)
    const after = many(50, (i) => pool.rpush('log', 50 + i))
    expect(outcomes([...(await before), ...(await after)])).toEqual({ ok: 100 })
    expect(await redis.command('LRANGE', 'log', 0, -1)).toEqual(Array.from({ length: 100 }, (_, i) => String(i)))
  })

  it('settles everything within disconnectTimeout with what is certain about it', async () => {
    await using redis = await startRedis()
    const pool = createPool({ port: redis.port, maxConnections: 3, disconnectTimeout: 100 })
    await ready(pool)
    await redis.command('CLIENT', 'PAUSE', 5_000, 'ALL')
    const written = many(50, () => pool.incr('n'))
    const blocking = many(5, () => pool.blpop('jobs', 0))
    await until(() => pool.stats().commands.inFlight >= 50)
    pool.disconnect()
    expect(outcomes(await written)).toEqual({ 'CENOTE_OUTCOME_UNKNOWN unknown': 50 })
    const counts = outcomes(await blocking)
    expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(5)
    expect(pool.stats().commands).toMatchObject({ inFlight: 0, queued: 0 })
  })

  it('in the middle of a dial, of a check of an idle connection, of a close', async () => {
    await using redis = await startRedis()
    const dialing = createPool({ port: redis.port })
    dialing.disconnect()
    const checking = createPool({ port: redis.port })
    await checking.withConnection((connection) => connection.ping())
    await pause(550)
    redis.pause()
    const waiting = checking.acquire().catch((error: unknown) => error)
    await pause(20)
    checking.disconnect()
    expect(await waiting).toMatchObject({ outcome: 'not-sent' })
    const closing = createPool({ port: redis.port })
    const closed = closing.close({ timeoutMs: 10_000 })
    closing.disconnect()
    await closed
    redis.resume()
  })
})
