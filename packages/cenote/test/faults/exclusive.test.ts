import { once } from 'node:events'
import { leakCheckEachTest, type PeerConnection, scriptedPeer, startRedis } from '@cenote/test-support'
import { AcquireTimeoutError, createPool } from 'cenote'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { pause, ready, serving, until } from './support.js'

leakCheckEachTest({ beforeEach, afterEach })

describe('a batch that needs a connection of its own', () => {
  it.each<[string, (pool: ReturnType<typeof createPool>, signal: AbortSignal) => Promise<unknown>]>([
    ['a pipeline with BLPOP', (pool, signal) => pool.with({ signal }).pipeline().blpop('q', 0).exec()],
    ['a pipeline with WAIT', (pool, signal) => pool.with({ signal }).pipeline().wait(1, 0).exec()],
    ['WAIT', (pool, signal) => pool.with({ signal }).wait(1, 0)],
    ['BLPOP', (pool, signal) => pool.with({ signal }).blpop('q', 0)],
  ])('%s, aborted before it got one, keeps none', async (_what, call) => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, maxConnections: 2 })
    await ready(pool)
    for (let round = 0; round < 3; round++) {
      const held = await pool.acquire()
      const abort = new AbortController()
      const given = call(pool, abort.signal).catch((error: unknown) => error)
      await until(() => pool.stats().waiters === 1)
      abort.abort()
      await given
      await held.release()
      await until(() => pool.stats().connections.leased === 0)
    }
    expect(await pool.withConnection((connection) => connection.ping(), { timeoutMs: 1_000 })).toBe('PONG')
  })

  it('has its deadline from when it was issued, the wait included', async () => {
    await using redis = await startRedis()
    await using pool = createPool({
      port: redis.port,
      maxConnections: 2,
      commandTimeoutMs: 150,
      acquireTimeoutMs: 5_000,
    })
    await ready(pool)
    const held = await pool.acquire()
    const startedAt = performance.now()
    const [[error] = []] = (await pool.pipeline().watch('k').get('k').exec())!
    expect(error).toMatchObject({ outcome: 'not-sent' })
    expect(performance.now() - startedAt).toBeLessThan(3_000)
    await held.release()
  })
})

describe('a WATCH that the server refuses', () => {
  it('gives its connection back at once', async () => {
    await using redis = await startRedis({ users: ['app on >pw ~* &* +@all -watch'] })
    await using pool = createPool({ port: redis.port, username: 'app', password: 'pw' })
    await ready(pool)
    await expect(pool.watch('k')).rejects.toThrow(/NOPERM/)
    await until(() => pool.stats().connections.leased === 0, 2_000)
    expect(await pool.multi().set('k', 1).exec()).toEqual([[null, 'OK']])
  })
})

describe('a blocking command that is called back', () => {
  it('keeps its connection to itself until the question has arrived, so that it hits nobody else', async () => {
    const blocked: PeerConnection[] = []
    const script = (connection: PeerConnection) =>
      serving(([name, first]) => {
        if (name === 'blpop') {
          blocked.push(connection)
          return undefined
        }
        // The server is slow to see the question.
        return name === 'client' && first === 'UNBLOCK' ? undefined : '+OK\r\n'
      })(connection)
    await using peer = await scriptedPeer(script)
    await using pool = createPool({ port: peer.port, healthCheckIntervalMs: 0, watchdogMs: 0 })
    await ready(pool)
    const abort = new AbortController()
    const first = pool.with({ signal: abort.signal }).blpop('a', 0)
    await until(() => blocked.length === 1)
    abort.abort()
    await pause(20)
    blocked[0]!.write('*2\r\n$1\r\na\r\n$1\r\nx\r\n')
    expect(await first).toEqual(['a', 'x'])
    const second = pool.blpop('b', 0).catch(() => undefined)
    await until(() => blocked.length === 2)
    expect(blocked[1]).not.toBe(blocked[0])
    pool.disconnect()
    await second
  })
})

describe('a lease', () => {
  it('is not over its WATCH because an EXEC without MULTI was refused', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, maxConnections: 2 })
    const first = await pool.acquire()
    await first.watch('k')
    await expect(first.call('EXEC')).rejects.toThrow(/EXEC without MULTI/)
    await first.release()
    await redis.command('SET', 'k', 'changed')
    await using second = await pool.acquire()
    expect(await second.multi().get('k').exec()).toEqual([[null, 'changed']])
  })
})

describe('a duplicate without a permit', () => {
  it('says who holds the connections, and gets the next one that comes back, in its turn', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, maxConnections: 2 })
    await ready(pool)
    const held = await pool.acquire({ label: 'report' })
    const duplicate = pool.duplicate()
    const [error] = (await once(duplicate, 'error')) as [Error]
    expect(error.message).toMatch(/2 of 2 are in use \(1 shared, report for \d+ ms\)/)
    const order: string[] = []
    const asked = duplicate.ping().then(() => order.push('duplicate'))
    const waiting = pool.acquire().then((lease) => {
      order.push('lease')
      return lease
    })
    await held.release()
    await asked
    duplicate.disconnect()
    await (await waiting).release()
    expect(order).toEqual(['duplicate', 'lease'])
  })

  it('that comes later waits for those who came before', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, maxConnections: 2 })
    await ready(pool)
    const held = await pool.acquire()
    const order: string[] = []
    const first = pool.withConnection(async (connection) => {
      order.push('lease')
      await connection.ping()
    })
    await pause(5)
    const duplicate = pool.duplicate()
    duplicate.on('error', () => undefined)
    const asked = duplicate.ping().then(() => order.push('duplicate'))
    await pause(5)
    const last = pool.acquire({ timeoutMs: 150 }).catch((error: unknown) => error)
    await held.release()
    await Promise.all([first, asked])
    expect(await last).toBeInstanceOf(AcquireTimeoutError)
    expect(order).toEqual(['lease', 'duplicate'])
    duplicate.disconnect()
  })
})

describe('an idle connection that owes a reply when somebody wants it', () => {
  it('is lent once it has answered, or gives its place back: none is lost', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, maxConnections: 5, healthCheckIntervalMs: 20 })
    await ready(pool)
    await Promise.all(Array.from({ length: 3 }, () => pool.withConnection((lease) => lease.ping())))
    for (let round = 0; round < 2; round++) {
      // Long enough to be asked before it is lent, and the question of a health check under way.
      await pause(520)
      redis.pause()
      await pause(50)
      const borrowed = Promise.all(
        Array.from({ length: 3 }, () => pool.withConnection((lease) => lease.ping(), { timeoutMs: 2_000 })),
      )
      await pause(20)
      redis.resume()
      expect(await borrowed).toEqual(['PONG', 'PONG', 'PONG'])
    }
    expect(pool.stats().connections.total).toBeLessThanOrEqual(5)
  })
})
