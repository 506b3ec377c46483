import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { leakCheckEachTest, startRedis } from '@cenote/test-support'
import { createPool } from 'cenote'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { many, outcomes, ready, uncaughtDuring, until } from './support.js'

leakCheckEachTest({ beforeEach, afterEach })
afterEach(() => {
  vi.useRealTimers()
})

const boom = (what: string) => () => {
  throw new Error(what)
}

describe('listeners that throw', () => {
  it.each(['ready', 'connect', 'close', 'reconnecting', 'error', 'message', 'gap'])(
    'of %s: dials, deadlines and commands go on',
    async (event) => {
      await using redis = await startRedis()
      await uncaughtDuring(async () => {
        await using pool = createPool({ port: redis.port, commandTimeoutMs: 500 })
        pool.on(event, boom(event))
        if (event !== 'error') pool.on('error', () => undefined)
        await pool.subscribe('a')
        await redis.command('PUBLISH', 'a', 'x')
        await redis.command('CLIENT', 'KILL', 'TYPE', 'normal')
        await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
        await until(async () => (await pool.incr('n').catch(() => 0)) > 0)
        await redis.command('CLIENT', 'PAUSE', 700, 'ALL')
        await expect(pool.get('k')).rejects.toMatchObject({ code: 'CENOTE_COMMAND_TIMEOUT' })
        await until(async () => (await pool.get('k').catch(() => 'late')) === null)
        expect(await pool.withConnection((connection) => connection.ping())).toBe('PONG')
      })
    },
  )

  it('of leak, fallback and select', async () => {
    await using redis = await startRedis()
    const caught = await uncaughtDuring(async () => {
      await using plain = createPool({ port: redis.port })
      await using pool = createPool({
        port: redis.port,
        fallback: plain,
        lazyConnect: true,
        leakDetectionMs: 20,
        idleTimeoutMs: 40,
      })
      let leaks = 0
      ;(pool as NodeJS.EventEmitter).on('leak', () => leaks++)
      for (const event of ['leak', 'fallback', 'select']) (pool as NodeJS.EventEmitter).on(event, boom(event))
      expect(await pool.set('k', 1)).toBe('OK')
      await ready(pool)
      expect(await pool.select(1)).toBe('OK')
      const lease = await pool.acquire()
      await until(() => leaks > 0)
      await lease.release()
      expect(await pool.withConnection((connection) => connection.set('k', 2))).toBe('OK')
      expect(await pool.dbsize()).toBe(1)
    })
    expect(caught.map(String).sort()).toEqual(
      expect.arrayContaining(['Error: fallback', 'Error: leak', 'Error: select']),
    )
  })

  it('and a retryStrategy that does: the pool reconnects', async () => {
    await using redis = await startRedis()
    await uncaughtDuring(async () => {
      await using pool = createPool({ port: redis.port, retryStrategy: boom('retryStrategy') as never })
      await ready(pool)
      await redis.command('CLIENT', 'KILL', 'TYPE', 'normal')
      // A command under way when the connections were killed may be lost with them.
      await until(async () => (await pool.set('k', 1).catch(() => undefined)) === 'OK')
      expect(pool.status).not.toBe('end')
    })
  })
})

describe('a callback', () => {
  it('on a time-out may disconnect the pool: everybody is told, nothing crashes', async () => {
    await using redis = await startRedis()
    const pool = createPool({ port: redis.port, commandTimeoutMs: 100, disconnectTimeout: 50 })
    await ready(pool)
    redis.pause()
    const caught = await uncaughtDuring(async () => {
      const calls = many(20, () => pool.incr('n'))
      const pipeline = pool.pipeline()
      for (let i = 0; i < 20; i++) pipeline.get('k', () => pool.disconnect())
      const parked = pool.pipeline().set('a', 1).exec()
      await pipeline.exec()
      const counts = outcomes(await calls)
      expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(20)
      await parked
    })
    expect(caught).toEqual([])
    redis.resume()
  })
})

describe('fake timers', () => {
  it.each([
    ['vitest’s defaults', undefined],
    [
      'what jest fakes, but nextTick, which cannot be faked here',
      [
        'Date',
        'hrtime',
        'performance',
        'queueMicrotask',
        'setImmediate',
        'setInterval',
        'setTimeout',
        'clearImmediate',
        'clearInterval',
        'clearTimeout',
      ] as const,
    ],
  ])('(%s) put in place after the import do not stop the pool', async (_what, toFake) => {
    await using redis = await startRedis()
    vi.useFakeTimers(toFake === undefined ? {} : { toFake: [...toFake] })
    const pool = createPool({ port: redis.port, commandTimeoutMs: 300, disconnectTimeout: 50 })
    expect(await pool.set('k', 1)).toBe('OK')
    expect(await pool.pipeline().get('k').incr('k').exec()).toEqual([
      [null, '1'],
      [null, 2],
    ])
    expect(await pool.withConnection((connection) => connection.get('k'))).toBe('2')
    redis.pause()
    await expect(pool.get('k')).rejects.toMatchObject({ code: 'CENOTE_COMMAND_TIMEOUT' })
    await expect(pool.blpop('none', 0.05)).rejects.toMatchObject({ outcome: expect.stringMatching(/unknown|not-sent/) })
    redis.resume()
    pool.disconnect()
    vi.useRealTimers()
  })
})

describe('the process', () => {
  const run = (script: string): Promise<number | null> => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      cwd: join(import.meta.dirname, '../../../..'),
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    const timer = setTimeout(() => child.kill('SIGKILL'), 4_000)
    return new Promise((resolve) =>
      child.once('close', (code) => {
        clearTimeout(timer)
        resolve(code)
      }),
    )
  }

  it('ends at once after disconnect() while a password is pending', async () => {
    const script = `
      import { createPool } from 'cenote'
      const pool = createPool({ port: 1, password: () => new Promise(() => {}) })
      pool.on('error', () => {})
      setTimeout(() => pool.disconnect(), 50)`
    expect(await run(script)).toBe(0)
  })

  it('ends at once after disconnect() while a name is pending', async () => {
    const script = `
      import dns from 'node:dns'
      import { createPool } from 'cenote'
      dns.lookup = () => {}
      const pool = createPool({ host: 'redis.test', port: 1 })
      setTimeout(() => pool.disconnect(), 50)`
    expect(await run(script)).toBe(0)
  })

  it('ends at once after quit() with an open WATCH', async () => {
    await using redis = await startRedis()
    const script = `
      import { createPool } from 'cenote'
      const pool = createPool({ port: ${redis.port} })
      await pool.watch('k')
      await pool.get('k')
      await pool.quit()`
    expect(await run(script)).toBe(0)
  })
})
