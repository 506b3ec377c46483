import { leakCheckEachTest, type PeerScript, scriptedPeer, startRedis } from '@cenote/test-support'
import { createPool } from 'cenote'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BUSY_SCRIPT, many, outcomes, pause, ready, serving, until } from './support.js'

leakCheckEachTest({ beforeEach, afterEach })

/** A chain with a transaction of its own inside, which the types leave out. */
interface Chain {
  multi(): Chain
  set(key: string, value: string): Chain
  get(key: string): Chain
  exec(): unknown
}

describe('a transaction larger than the queue', () => {
  it('goes through as a whole, and no stranger ends up inside it', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, maxQueuedCommands: 5 })
    await ready(pool)
    const multi = pool.multi()
    for (let i = 0; i < 10; i++) multi.set(`k${i}`, i)
    const given = multi.exec()
    const strangers = many(5, () => pool.incr('n'))
    expect(await given).toEqual(Array.from({ length: 10 }, () => [null, 'OK']))
    const { ok = 0, ...refused } = outcomes(await strangers)
    expect(Object.keys(refused).filter((name) => name !== 'CENOTE_OVERLOADED not-sent')).toEqual([])
    expect(Number(await redis.command('GET', 'n'))).toBe(ok)
    expect(await redis.command('EXISTS', 'k0', 'k9')).toBe(2)
  })

  it('is refused whole while others are under way, with nothing of it sent', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, maxQueuedCommands: 20 })
    await ready(pool)
    await redis.command('CLIENT', 'PAUSE', 200, 'ALL')
    const others = many(10, () => pool.incr('n'))
    const multi = pool.multi()
    for (let i = 0; i < 30; i++) multi.set(`k${i}`, i)
    await expect(multi.exec()).rejects.toMatchObject({
      code: 'CENOTE_OVERLOADED',
      outcome: 'not-sent',
      message: expect.stringContaining('A batch of 32 commands was refused as a whole'),
    })
    const strangers = await Promise.all([pool.get('n'), pool.incr('m')])
    expect(outcomes(await others)).toEqual({ ok: 10 })
    expect(strangers).toEqual(['10', 1])
    expect(await redis.command('DBSIZE')).toBe(2)
  })

  it('of many callers at a slow server is all or nothing for each of them', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, maxQueuedCommands: 100, commandTimeoutMs: 2_000 })
    await ready(pool)
    const slow = many(3, () => pool.eval(BUSY_SCRIPT, 0, 60))
    const callers = many(300, (i) => pool.multi().incr('a').incr('b').set(`own:${i}`, 1).exec())
    const strangers = await many(300, () => pool.get('nothing'))
    const { ok = 0, ...refused } = outcomes(await callers)
    await slow
    expect(Object.keys(refused).filter((name) => !name.endsWith(' not-sent'))).toEqual([])
    expect(await redis.command('MGET', 'a', 'b')).toEqual([String(ok), String(ok)])
    for (const stranger of strangers) {
      if (stranger.status === 'fulfilled') expect(stranger.value).toBeNull()
      else expect(stranger.reason).toMatchObject({ outcome: 'not-sent' })
    }
  })
})

describe('a transaction that waits for a connection', () => {
  it('has one deadline: it ends whole, and nothing of it runs after the reconnect', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, commandTimeoutMs: 150, failFastAfterMs: 0 })
    await ready(pool)
    await redis.kill()
    await until(() => pool.status !== 'ready')
    const given = many(12, (n) => {
      const multi = pool.multi()
      for (let i = 0; i < 3_000; i++) multi.set(`${n}:${i}`, i)
      return multi.exec()
    })
    expect(outcomes(await given)).toEqual({ 'CENOTE_COMMAND_TIMEOUT not-sent': 12 })
    await redis.restart()
    await ready(pool)
    expect(await pool.get('nothing')).toBeNull()
    expect(await redis.command('DBSIZE')).toBe(0)
  })

  it('whose members were issued around the moment of the deadline is all or nothing', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, commandTimeoutMs: 150, failFastAfterMs: 0 })
    await ready(pool)
    await redis.kill()
    await until(() => pool.status !== 'ready')
    const size = 2_000
    const given: Promise<unknown>[] = []
    const back = pause(250).then(() => redis.restart())
    for (let n = 0; pool.status !== 'ready'; n++) {
      const multi = pool.multi()
      for (let i = 0; i < size; i++) multi.set(`${n}:${i}`, i)
      const one = multi.exec()
      one.catch(() => undefined)
      given.push(one)
      await pause(1)
    }
    await back
    const results = await Promise.allSettled(given)
    const done = results.filter(({ status }) => status === 'fulfilled').length
    expect(done).toBeGreaterThan(0)
    const { 'CENOTE_COMMAND_TIMEOUT unknown': unclear = 0, 'CENOTE_COMMAND_TIMEOUT not-sent': unsent = 0 } =
      outcomes(results)
    expect(unsent + unclear).toBe(results.length - done)
    // Late, one may have run, but never in part.
    const keys = Number(await redis.command('DBSIZE'))
    expect(keys % size).toBe(0)
    expect(keys / size).toBeGreaterThanOrEqual(done)
    expect(keys / size).toBeLessThanOrEqual(done + unclear)
  })

  it('is sent again whole after the server refused it while loading', async () => {
    let loading = true
    const seen: string[] = []
    await using peer = await scriptedPeer(
      serving(([name, ...args]) => {
        if (name === 'multi') seen.push('multi')
        if (name === 'set') {
          seen.push(args[0]!)
          return loading ? '-LOADING Redis is loading the dataset in memory\r\n' : '+QUEUED\r\n'
        }
        if (name !== 'exec') return '+OK\r\n'
        const said = loading
          ? '-EXECABORT Transaction discarded because of previous errors.\r\n'
          : '*2\r\n+OK\r\n+OK\r\n'
        loading = false
        return said
      }),
    )
    await using pool = createPool({ port: peer.port })
    await ready(pool)
    expect(await pool.multi().set('a', 1).set('b', 2).exec()).toEqual([
      [null, 'OK'],
      [null, 'OK'],
    ])
    expect(seen).toEqual(['multi', 'a', 'b', 'multi', 'a', 'b'])
    pool.disconnect()
  })
})

describe('a pipeline larger than the queue', () => {
  it('goes through whole on a quiet connection, and strangers are served beside it', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, maxQueuedCommands: 1_000 })
    await ready(pool)
    const pipeline = pool.pipeline()
    for (let i = 0; i < 5_000; i++) pipeline.set(`k${i}`, i)
    const given = pipeline.exec()
    const strangers = many(100, () => pool.incr('n'))
    expect((await given)!.every(([error, reply]) => error === null && reply === 'OK')).toBe(true)
    expect(outcomes(await strangers)).toEqual({ ok: 100 })
    expect(await redis.command('DBSIZE')).toBe(5_001)
  })

  it('is refused whole when its bytes are beyond the limit', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, maxQueuedCommands: 100, maxQueuedBytes: 1_000_000 })
    await ready(pool)
    const pipeline = pool.pipeline()
    for (let i = 0; i < 200; i++) pipeline.set(`k${i}`, 'x'.repeat(10_000))
    for (const [error] of (await pipeline.exec())!) expect(error).toMatchObject({ code: 'CENOTE_OVERLOADED' })
    expect(await redis.command('DBSIZE')).toBe(0)
  })
})

describe('a transaction inside a pipeline', () => {
  it('whose connection is lost after MULTI was answered leaves no hole in the results', async () => {
    const half: PeerScript = async (connection) => {
      await connection.handshake()
      connection.write('+PONG\r\n')
      await connection.readUntil('multi\r\n')
      connection.write('+OK\r\n')
      connection.stopReading()
    }
    await using peer = await scriptedPeer(
      half,
      serving(([name]) => {
        if (name === 'set') return '+QUEUED\r\n'
        if (name === 'exec') return `*400\r\n${'+OK\r\n'.repeat(400)}`
        return name === 'get' ? '$1\r\nv\r\n' : '+OK\r\n'
      }),
    )
    await using pool = createPool({ port: peer.port, healthCheckIntervalMs: 0 })
    await ready(pool)
    const pipeline = pool.pipeline() as unknown as Chain
    pipeline.multi()
    for (let i = 0; i < 400; i++) pipeline.set(`big${i}`, 'x'.repeat(60_000))
    pipeline.exec()
    pipeline.get('after')
    const given = pipeline.exec()
    await until(() => pool.stats().commands.queued > 0 && peer.connections[0]!.unread.length === 0)
    peer.connections[0]!.reset()
    const results = (await given) as unknown[]
    expect(results).toHaveLength(403)
    expect(results.every((entry) => entry !== undefined)).toBe(true)
    expect(results[0]).toEqual([null, 'OK'])
    expect(results[401]).toEqual([null, Array.from({ length: 400 }, () => 'OK')])
    expect(results[402]).toEqual([null, 'v'])
    pool.disconnect()
  })
})

describe('terms of single calls', () => {
  it('hold for pipelines and transactions: idempotent ones are sent again after a lost reply', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port })
    await ready(pool)
    const view = pool.with({ idempotent: true })
    await redis.command('CLIENT', 'PAUSE', 300, 'ALL')
    const pipeline = view.pipeline().set('a', 1).set('b', 2).exec()
    const transaction = view.multi().set('c', 3).set('d', 4).exec()
    const plain = pool.multi().set('e', 5).exec()
    plain.catch(() => undefined)
    await until(() => pool.stats().commands.inFlight >= 9)
    await redis.command('CLIENT', 'KILL', 'TYPE', 'normal')
    expect(await pipeline).toEqual([
      [null, 'OK'],
      [null, 'OK'],
    ])
    expect(await transaction).toEqual([
      [null, 'OK'],
      [null, 'OK'],
    ])
    await expect(plain).rejects.toMatchObject({ outcome: 'unknown' })
    expect(await redis.command('MGET', 'a', 'b', 'c', 'd')).toEqual(['1', '2', '3', '4'])
  })

  it('that are aborted end a transaction whole, whatever of it was queued already', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, lazyConnect: true })
    await redis.kill()
    const abort = new AbortController()
    const given = pool.with({ signal: abort.signal }).multi().set('a', 1).set('b', 2).exec()
    setImmediate(() => abort.abort())
    await expect(given).rejects.toMatchObject({ name: 'AbortError', outcome: 'not-sent' })
    await redis.restart()
    expect(await pool.get('nothing')).toBeNull()
    expect(await redis.command('DBSIZE')).toBe(0)
  })

  it.each([
    ['an unknown key', { timeout: 5 }],
    ['no number', { timeoutMs: Number.NaN }],
    ['a negative time', { timeoutMs: -1 }],
  ])('are refused with %s', async (_what, options) => {
    const pool = createPool({ lazyConnect: true })
    expect(() => pool.with(options as never)).toThrow(expect.objectContaining({ code: 'CENOTE_CONFIG' }))
    pool.disconnect()
  })
})

describe('a fallback client', () => {
  it('gets a transaction as one, and refuses it whole when it can run none', async () => {
    await using other = await startRedis()
    await using redis = await startRedis()
    await redis.kill()
    await using plain = createPool({ port: other.port })
    await ready(plain)
    await using pool = createPool({ port: redis.port, fallback: plain })
    await until(() => pool.stats().breaker !== 'closed')
    expect(await pool.multi().set('a', 1).incr('a').exec()).toEqual([
      [null, 'OK'],
      [null, 2],
    ])
    expect(await other.command('GET', 'a')).toBe('2')
    const calls: string[] = []
    const simple = { call: async (name: string) => void calls.push(name) }
    await using second = createPool({ port: redis.port, fallback: simple })
    await until(() => second.stats().breaker !== 'closed')
    await expect(second.multi().set('a', 1).exec()).rejects.toMatchObject({ outcome: 'not-sent' })
    expect(calls).toEqual([])
    second.disconnect()
    pool.disconnect()
  })

  it('has the deadline of the caller', async () => {
    await using redis = await startRedis()
    await redis.kill()
    const fallback = { call: () => new Promise<unknown>(() => undefined) }
    await using pool = createPool({ port: redis.port, fallback })
    await until(() => pool.stats().breaker !== 'closed')
    await expect(pool.with({ timeoutMs: 60 }).set('k', 1)).rejects.toMatchObject({
      code: 'CENOTE_COMMAND_TIMEOUT',
      outcome: 'unknown',
    })
    pool.disconnect()
  })
})
