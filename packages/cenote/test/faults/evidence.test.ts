import { connect, createServer, type Server, type Socket } from 'node:net'
import { leakCheckEachTest, type RedisServer, scriptedPeer, startRedis } from '@cenote/test-support'
import { createPool } from 'cenote'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Housekeeper } from '../../src/pool/housekeeper.js'
import { BUSY_SCRIPT, clients, freeze, HELLO, many, outcomes, pause, ready, serving, until } from './support.js'

leakCheckEachTest({ beforeEach, afterEach })

const LIMITED = { users: ['app on >pw ~* &* +@all -@dangerous'] }
const app = (redis: RedisServer) => ({ port: redis.port, username: 'app', password: 'pw' })

describe('a user who may not list clients', () => {
  it('waits for a server that holds writes back, and loses no connection', async () => {
    await using redis = await startRedis(LIMITED)
    await using pool = createPool({ ...app(redis), watchdogMs: 100 })
    await ready(pool)
    await redis.command('CLIENT', 'PAUSE', 1_200, 'WRITE')
    expect(outcomes(await many(20, () => pool.incr('n')))).toEqual({ ok: 20 })
    expect(pool.stats().closed.watchdog ?? 0).toBe(0)
    expect(await redis.command('GET', 'n')).toBe('20')
  })

  it('waits for a slow script of its own', async () => {
    await using redis = await startRedis(LIMITED)
    await using pool = createPool({ ...app(redis), watchdogMs: 100 })
    await ready(pool)
    expect(await pool.eval(BUSY_SCRIPT, 0, 1_200)).toBe(1)
    expect(pool.stats().closed).toEqual({})
  })

  it('still finds a connection dead that does not answer a read', async () => {
    await using peer = await scriptedPeer(
      async (connection) => {
        await connection.handshake()
        connection.write('+PONG\r\n')
        await connection.closed
      },
      serving(([name, first]) => {
        if (name === 'client' && first === 'LIST')
          return "-NOPERM this user has no permissions to run 'client|list'\r\n"
        return name === 'get' ? '$5\r\nvalue\r\n' : '+OK\r\n'
      }),
    )
    await using pool = createPool({ port: peer.port, watchdogMs: 100 })
    await ready(pool)
    expect(await pool.get('k')).toBe('value')
    pool.disconnect()
  })
})

describe('a health check', () => {
  it('that meets a pause suspects nobody: the commands behind it are answered when the pause ends', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, healthCheckIntervalMs: 20, minConnections: 2 })
    await ready(pool)
    await until(() => pool.stats().connections.idle === 2)
    await redis.command('CLIENT', 'PAUSE', 1_400, 'ALL')
    await pause(100)
    expect(outcomes(await many(20, () => pool.incr('n')))).toEqual({ ok: 20 })
    expect(await redis.command('GET', 'n')).toBe('20')
    expect(pool.stats().closed['health-check'] ?? 0).toBe(0)
    expect(pool.stats().commands.unknown).toBe(0)
  })

  it('whose chore never ends is not the end of the other chores, nor is one that throws', async () => {
    const errors: unknown[] = []
    let swept = 0
    const housekeeper = new Housekeeper(
      [
        { everyMs: 10, run: () => new Promise<void>(() => undefined) },
        {
          everyMs: 10,
          run: () => {
            throw new Error('no')
          },
        },
        { everyMs: 10, run: () => void swept++ },
      ],
      (error) => errors.push(error),
    )
    housekeeper.start()
    await until(() => swept > 5 && errors.length > 2)
    housekeeper.stop()
  })

  it('asks after a blocking command on a duplicate, too, whose connection died in silence', async () => {
    await using redis = await startRedis()
    const box = await deafBox(redis)
    const pool = createPool({ port: box.port, healthCheckIntervalMs: 40 })
    await ready(pool)
    const duplicate = pool.duplicate()
    const popped = duplicate.blpop('jobs', 0).catch((error: unknown) => error)
    await until(async () => /cmd=blpop/.test(String(await redis.command('CLIENT', 'LIST'))))
    const line = (await clients(redis)).find((one) => one.includes('cmd=blpop'))!
    await redis.command('CLIENT', 'KILL', 'ID', /^id=(\d+)/.exec(line)![1]!)
    expect(await popped).toMatchObject({ outcome: 'unknown' })
    expect(await duplicate.ping()).toBe('PONG')
    duplicate.disconnect()
    pool.disconnect()
    await box.close()
  })

  it('finds a blocked caller whose connection and lane die together, in silence', async () => {
    await using redis = await startRedis()
    const box = await deafBox(redis)
    const pool = createPool({ port: box.port, healthCheckIntervalMs: 20 })
    await ready(pool)
    const popped = pool.blpop('jobs', 0).catch((error: unknown) => error)
    await until(async () => /cmd=blpop/.test(String(await redis.command('CLIENT', 'LIST'))))
    await redis.command('CLIENT', 'KILL', 'TYPE', 'normal')
    expect(await popped).toMatchObject({ outcome: 'unknown' })
    expect(await pool.ping()).toBe('PONG')
    pool.disconnect()
    await box.close()
  })
})

/** A middle box that keeps the client's side open when the server's is closed. */
async function deafBox(redis: RedisServer): Promise<{ port: number; close(): Promise<void> }> {
  const sockets: Socket[] = []
  const box: Server = createServer((down) => {
    const up = connect(redis.port, redis.host)
    sockets.push(down, up)
    down.on('data', (chunk) => up.destroyed || up.write(chunk)).on('error', () => undefined)
    up.on('data', (chunk) => down.destroyed || down.write(chunk)).on('error', () => undefined)
  })
  await new Promise<void>((resolve) => box.listen(0, '127.0.0.1', resolve))
  return {
    port: (box.address() as { port: number }).port,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => box.close(resolve))
    },
  }
}

describe('a duplicate whose blocking command was given up', () => {
  it('recovers when its path has died meanwhile', async () => {
    // The pool's own connection first, then the duplicate's, which falls silent at its BLPOP.
    const healthy = serving(([name, first]) => {
      if (name === 'client' && first === 'LIST') return '$0\r\n\r\n'
      return name === 'get' ? '$5\r\nvalue\r\n' : '+OK\r\n'
    })
    await using peer = await scriptedPeer(
      healthy,
      async (connection) => {
        await connection.handshake()
        connection.write('+PONG\r\n')
        await connection.closed
      },
      healthy,
    )
    await using pool = createPool({ port: peer.port, watchdogMs: 100, blockingGraceMs: 50, healthCheckIntervalMs: 0 })
    await ready(pool)
    const duplicate = pool.duplicate()
    await ready(duplicate)
    await expect(duplicate.blpop('jobs', 0.05)).rejects.toMatchObject({ outcome: 'unknown' })
    expect(await duplicate.get('k')).toBe('value')
    duplicate.disconnect()
    pool.disconnect()
  })
})

describe('a process that stood still', () => {
  it('for longer than the server keeps idle connections writes nothing into a connection that is gone', async () => {
    await using redis = await startRedis({ config: { timeout: 1 } })
    await using pool = createPool({ port: redis.port, keepAlive: 0, healthCheckIntervalMs: 0 })
    expect(await pool.set('k', 1)).toBe('OK')
    freeze(3_000)
    expect(await pool.incr('k')).toBe(2)
    freeze(3_000)
    expect(await pool.multi().incr('k').exec()).toEqual([[null, 3]])
    expect(pool.stats().commands.unknown).toBe(0)
  })

  it('in the middle of a dial blames nobody, and connects', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, lazyConnect: true, connectTimeoutMs: 500 })
    const connected = pool.connect()
    await new Promise((resolve) => setImmediate(resolve))
    freeze(1_500)
    await connected
    expect(await pool.ping()).toBe('PONG')
    expect(pool.stats().dials).toMatchObject({ attempts: 1, failures: 0 })
  })

  it('in the middle of a health check closes no healthy connection', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, healthCheckIntervalMs: 10, minConnections: 3 })
    await ready(pool)
    await until(() => pool.stats().connections.idle === 3)
    for (let round = 0; round < 2; round++) {
      // The check is under way when the loop stops, and its replies come meanwhile.
      redis.pause()
      await pause(40)
      redis.resume()
      freeze(1_200)
    }
    expect(await pool.ping()).toBe('PONG')
    expect(pool.stats().closed).toEqual({})
  })
})

describe('a server that was silent for a while', () => {
  it('is not called unreachable while its connections answer', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, watchdogMs: 100, failFastAfterMs: 200, commandTimeoutMs: 8_000 })
    await ready(pool)
    redis.pause()
    const waiting = pool.incr('n')
    await until(() => pool.stats().breaker !== 'closed')
    redis.resume()
    expect(await waiting).toBe(1)
    await pause(300)
    expect(await pool.withConnection((connection) => connection.incr('n'))).toBe(2)
    expect(await pool.blpop('none', 0.01)).toBeNull()
  })
})

describe('a PING of ours', () => {
  it('never gets into a MULTI that somebody has open on a duplicate', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port, healthCheckIntervalMs: 15 })
    const duplicate = pool.duplicate()
    for (let round = 0; round < 4; round++) {
      await duplicate.multi({ pipeline: false })
      await pause(60)
      duplicate.set('k', round)
      await pause(30)
      expect(await duplicate.exec()).toEqual([[null, 'OK']])
    }
    duplicate.disconnect()
  })

  it('never gets into a MULTI on a lease or a duplicate after five silent seconds', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port })
    const duplicate = pool.duplicate()
    await using lease = await pool.acquire()
    await Promise.all([duplicate.multi({ pipeline: false }), lease.multi({ pipeline: false })])
    await pause(5_200)
    duplicate.set('a', 1)
    lease.set('b', 1)
    expect(await Promise.all([duplicate.exec(), lease.exec()])).toEqual([[[null, 'OK']], [[null, 'OK']]])
    duplicate.disconnect()
  })
})

describe('a probe', () => {
  it('that waits for a slow password concludes nothing', async () => {
    let slow = 0
    await using redis = await startRedis({ password: 'pw' })
    const password = () => new Promise<string>((resolve) => setTimeout(resolve, slow, 'pw'))
    await using pool = createPool({ port: redis.port, password, watchdogMs: 100, healthCheckIntervalMs: 0 })
    await ready(pool)
    slow = 1_000
    await redis.command('CLIENT', 'PAUSE', 1_600, 'ALL')
    expect(outcomes(await many(10, () => pool.incr('n')))).toEqual({ ok: 10 })
    expect(pool.stats()).toMatchObject({ closed: {}, dials: { failures: 0 } })
  })

  it('is not needed to see that replies on a slow path are merely slow', async () => {
    // Every reply takes longer than the watchdog's patience, and so did the dial.
    const late = (bytes: string) => new Promise<string>((resolve) => setTimeout(resolve, 250, bytes))
    await using peer = await scriptedPeer(async (connection) => {
      while (!connection.isClosed) {
        const [name = ''] = await connection.readCommand().catch(() => [''])
        if (name === '') return
        connection.write(await late(/^hello$/i.test(name) ? HELLO : '+OK\r\n'))
      }
    })
    await using pool = createPool({ port: peer.port, watchdogMs: 100, disableClientInfo: true })
    await ready(pool)
    expect(await pool.set('k', 1)).toBe('OK')
    expect(peer.connections).toHaveLength(1)
    pool.disconnect()
  })
})
