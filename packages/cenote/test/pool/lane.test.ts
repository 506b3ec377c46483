import { leakCheckEachTest, type PeerScript, scriptedPeer, startRedis } from '@cenote/test-support'
import { createPool } from 'cenote'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { clients, many, outcomes, ready, until } from './support.js'

leakCheckEachTest({ beforeEach, afterEach })

describe('a lane', () => {
  it('dials once, however many callers come before it is up', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, lazyConnect: true })
    await many(500, (i) => pool.set(`k${i}`, i))
    expect(pool.stats().dials.attempts).toBe(1)
    expect(await clients(redis)).toHaveLength(1)
  })

  it('keeps the order in which commands were issued, parked ones included', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, lazyConnect: true })
    const pushed: Promise<number>[] = []
    for (let i = 0; i < 300; i++) pushed.push(pool.rpush('log', i))
    await ready(pool)
    for (let i = 300; i < 600; i++) pushed.push(pool.rpush('log', i))
    await Promise.all(pushed)
    expect(await redis.command('LRANGE', 'log', 0, -1)).toEqual(Array.from({ length: 600 }, (_, i) => String(i)))
  })

  it('keeps the order over its renewal at the end of a lifetime, and loses nothing', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, maxLifetimeMs: 150 })
    let issued = 0
    await until(async () => {
      await Promise.all(Array.from({ length: 50 }, () => pool.rpush('log', issued++)))
      return (pool.stats().closed['max-lifetime'] ?? 0) >= 3
    })
    const log = (await redis.command('LRANGE', 'log', 0, -1)) as string[]
    expect(log).toEqual(Array.from({ length: issued }, (_, i) => String(i)))
    expect(pool.stats().commands).toMatchObject({ notSent: 0, unknown: 0, retried: 0 })
  })

  it('is not knocked out by a late error of its predecessor', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port })
    await ready(pool)
    for (let round = 0; round < 5; round++) {
      const id = await pool.call('CLIENT', 'ID')
      const lost = new Promise<void>((resolve) => pool.once('close', () => resolve()))
      await redis.command('CLIENT', 'KILL', 'ID', String(id))
      await lost
      expect(await pool.set('k', round)).toBe('OK')
    }
    expect(pool.stats().dials.attempts).toBeLessThanOrEqual(6)
    expect(await clients(redis)).toHaveLength(1)
  })

  it('sends reads again that were lost, and tells writers that their outcome is unknown', async () => {
    await using peer = await scriptedPeer(
      async (connection) => {
        await connection.handshake()
        connection.write('+PONG\r\n')
        await connection.readUntil('incr')
        connection.reset()
      },
      (connection) =>
        connection.serve(([name]) =>
          name === 'get' ? '$5\r\nvalue\r\n' : /hello/i.test(name!) ? '-ERR unknown command\r\n' : '+OK\r\n',
        ),
    )
    await using pool = createPool({ port: peer.port })
    await ready(pool)
    const [read, write] = await Promise.allSettled([pool.get('a'), pool.incr('b')])
    expect(read).toEqual({ status: 'fulfilled', value: 'value' })
    expect(write).toMatchObject({
      status: 'rejected',
      reason: { code: 'CENOTE_OUTCOME_UNKNOWN', outcome: 'unknown', attempts: 1 },
    })
  })

  it('executes each write at most once while its connection is cut again and again', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port })
    await ready(pool)
    const results: PromiseSettledResult<unknown>[] = []
    for (let round = 0; round < 20; round++) {
      const calls = many(150, () => pool.incr('n'))
      await redis.command('CLIENT', 'KILL', 'TYPE', 'normal')
      results.push(...(await calls))
    }
    const { ok = 0, 'CENOTE_OUTCOME_UNKNOWN unknown': unknown = 0, ...others } = outcomes(results)
    const held = Number(await redis.command('GET', 'n'))
    expect(others).toEqual({})
    expect(held).toBeGreaterThanOrEqual(ok)
    expect(held).toBeLessThanOrEqual(ok + unknown)
  })

  it('sends a MULTI again whose connection was lost before its EXEC was written', async () => {
    const serve: PeerScript = (connection) =>
      connection.serve(([name]) => {
        if (/^hello$/i.test(name!)) return "-ERR unknown command 'hello'\r\n"
        return name === 'set' ? '+QUEUED\r\n' : name === 'exec' ? `*400\r\n${'+OK\r\n'.repeat(400)}` : '+OK\r\n'
      })
    await using peer = await scriptedPeer(async (connection) => {
      await connection.handshake()
      connection.write('+PONG\r\n')
      connection.stopReading()
    }, serve)
    await using pool = createPool({ port: peer.port })
    await ready(pool)
    const multi = pool.multi()
    for (let i = 0; i < 400; i++) multi.set(`big${i}`, 'x'.repeat(60_000))
    const given = multi.exec()
    await until(() => pool.stats().commands.inFlight > 0 && pool.stats().commands.queued > 0)
    peer.connections[0]!.reset()
    expect(await given).toEqual(Array.from({ length: 400 }, () => [null, 'OK']))
  })

  it('calls a MULTI unknown whose connection was lost after its EXEC was written', async () => {
    await using peer = await scriptedPeer(async (connection) => {
      await connection.handshake()
      connection.write('+PONG\r\n')
      await connection.readUntil('exec')
      connection.reset()
    })
    await using pool = createPool({ port: peer.port, lazyConnect: true })
    const error = await pool
      .multi()
      .incr('k')
      .exec()
      .catch((error: unknown) => error)
    expect(error).toMatchObject({ code: 'CENOTE_OUTCOME_UNKNOWN', outcome: 'unknown' })
    pool.disconnect()
  })

  it('never leaves strangers inside a MULTI that was given up half-way', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, commandTimeoutMs: 300, watchdogMs: 0 })
    await ready(pool)
    redis.pause()
    // More than the sockets take: part of it is written and the rest waits when the deadline comes.
    const multi = pool.multi()
    for (let i = 0; i < 400; i++) multi.set(`big${i}`, 'x'.repeat(60_000))
    const given = multi.exec().catch((error: unknown) => error)
    expect(await given).toMatchObject({ code: 'CENOTE_COMMAND_TIMEOUT' })
    redis.resume()
    await until(async () => (await pool.get('nothing').catch(() => 'late')) === null)
    expect(await pool.set('mine', 1)).toBe('OK')
    expect(await redis.command('GET', 'mine')).toBe('1')
    expect(pool.stats().closed).toEqual({})
  })
})

describe('several lanes', () => {
  it('keep the order of commands with the same first key', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, lanes: 4 })
    const pushed: Promise<number>[] = []
    for (let i = 0; i < 400; i++) pushed.push(pool.rpush(`log${i % 7}`, i))
    await Promise.all(pushed)
    for (let key = 0; key < 7; key++) {
      const log = ((await redis.command('LRANGE', `log${key}`, 0, -1)) as string[]).map(Number)
      expect(log).toEqual([...log].sort((a, b) => a - b))
    }
    expect(await clients(redis)).toHaveLength(4)
  })
})
