import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { leakCheckEachTest, type RedisServer, startRedis } from '@cenote/test-support'
import { createPool, OutcomeUnknownError, type PoolOptions, type RedisPool, ReplyError } from 'cenote'
import { poolFor } from 'cenote/ioredis'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'

import { accepts } from '../src/cli.js'
import { scenarios } from '../src/scenarios/index.js'

const page = readFileSync(new URL('../../../docs/from-ioredis.md', import.meta.url), 'utf8')

let server: RedisServer
beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())
leakCheckEachTest({ beforeEach, afterEach })

const open: { disconnect(): void }[] = []
beforeEach(async () => {
  await server.command('FLUSHALL')
})
afterEach(() => {
  for (const client of open.splice(0)) client.disconnect()
})
function pool(options: PoolOptions = {}): RedisPool {
  const made = createPool({ port: server.port, ...options })
  open.push(made)
  return made
}
function ioredis(options: object = {}): Redis {
  const made = new Redis({ port: server.port, ...options })
  open.push(made)
  return made
}
const clientCount = async () =>
  String(await server.command('CLIENT', 'LIST'))
    .trim()
    .split('\n').length - 1
const killAll = () => server.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')

describe('docs/from-ioredis.md', () => {
  test('says in bold only what a test of this file shows', () => {
    const said = [...page.replace(/```[\s\S]*?```/g, '').matchAll(/\*\*([^*]+)\*\*/g)].map(([, text]) =>
      text!.replace(/\s+/g, ' ').replace(/\.$/, ''),
    )
    const file = readFileSync(fileURLToPath(import.meta.url), 'utf8')
    expect(said.length).toBeGreaterThan(18)
    expect(said.filter((text) => !file.includes(`test('${text}'`))).toEqual([])
  })

  test('counts the libraries it speaks of', () => {
    const refusing = scenarios.filter((scenario) => !accepts(scenario, 'cenote')).length
    expect([scenarios.length, refusing]).toEqual([34, 5])
    expect(page).toContain('34 libraries that take an instance run on it unchanged, five of them in the second way')
  })

  test('changes one line of a program, and the program still does what it did', async () => {
    const [, before, after] = /```diff\n-(.+)\n\+(.+)\n```/.exec(page)!
    const program = (imports: string) => `${imports}
      const redis = new Redis('redis://127.0.0.1:${server.port}/2', { keyPrefix: 'app:' })
      redis.on('end', () => console.log('end'))
      console.log(await redis.set('k', 'v'), await redis.get('k'), await redis.hgetall('none'))
      console.log(await redis.pipeline().incr('n').get('n').exec(), await redis.multi().del('k', 'n').exec())
      await redis.lpush('k').catch((error) => console.log(error.name, error.message, error.command))
      await redis.quit()`
    const run = async (imports: string) => {
      const cwd = fileURLToPath(new URL('..', import.meta.url))
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ['--input-type=module', '--eval', program(imports)],
        { cwd, timeout: 15_000 },
      )
      return stdout
    }
    const [old, now] = await Promise.all([run(before!), run(after!)])
    expect(now).toBe(old)
    expect(now).toContain("OK v {}\n[ [ null, 1 ], [ null, '1' ] ] [ [ null, 2 ] ]")
    expect(await server.command('DBSIZE')).toBe(0)
  })

  test('gives an instance of the application’s class by its second diff', async () => {
    expect(page).toContain("+export const redis = poolFor(Redis, 'redis://127.0.0.1:6379')")
    const redis = poolFor(Redis, `redis://127.0.0.1:${server.port}`)
    open.push(redis)
    expect(redis).toBeInstanceOf(Redis)
    expect(await redis.ping()).toBe('PONG')
  })
})

describe('order and connections', () => {
  test('Blocking commands hold up nobody', async () => {
    const redis = pool()
    const blocked = Array.from({ length: 5 }, (_, i) => redis.blpop(`jobs${i}`, 0))
    expect(await redis.set('k', 'v')).toBe('OK')
    for (let i = 0; i < 5; i++) await redis.lpush(`jobs${i}`, i)
    expect(await Promise.all(blocked)).toEqual(Array.from({ length: 5 }, (_, i) => [`jobs${i}`, String(i)]))
    const duplicate = redis.duplicate()
    const order: string[] = []
    const waiting = duplicate.blpop('later', 0).then(() => order.push('blpop'))
    const behind = duplicate.get('k').then(() => order.push('get'))
    await redis.lpush('later', 1)
    await Promise.all([waiting, behind])
    expect(order).toEqual(['blpop', 'get'])
    await duplicate.quit()
  })

  test('Commands keep their order across keys', async () => {
    const redis = pool()
    const monitor = await redis.monitor()
    const seen: string[] = []
    const all = new Promise<void>((resolve) => {
      monitor.on('monitor', (_time: string, args: string[]) => {
        if (args[0] === 'set' && seen.push(args[1]!) === 200) resolve()
      })
    })
    await Promise.all([all, ...Array.from({ length: 200 }, (_, i) => redis.set(`k${i}`, i))])
    expect(seen).toEqual(Array.from({ length: 200 }, (_, i) => `k${i}`))
    monitor.disconnect()
  })

  test('Automatic pipelining is always on, and overtakes nothing', async () => {
    const settled = async (client: Pick<Redis, 'set' | 'info' | 'ping'>) => {
      await client.ping()
      const order: string[] = []
      await Promise.all([
        client.set('k', 1).then(() => order.push('set')),
        client.info().then(() => order.push('info')),
      ])
      return order
    }
    const options = { enableAutoPipelining: true, autoPipeliningIgnoredCommands: [] }
    expect(await settled(pool(options) as unknown as Redis)).toEqual(['set', 'info'])
    expect(await settled(ioredis(options))).toEqual(['info', 'set'])
  })

  test('A duplicate is one connection', async () => {
    const redis = pool({ maxConnections: 10 })
    await redis.ping()
    const before = await clientCount()
    const duplicate = redis.duplicate({ connectionName: 'mine' })
    await Promise.all([duplicate.ping(), duplicate.blpop('none', 0.01), duplicate.subscribe('news')])
    expect((await clientCount()) - before).toBe(1)
    expect(String(await server.command('CLIENT', 'LIST'))).toContain('name=mine')
    await duplicate.quit()
  })

  test('A WATCH is its caller’s alone', async () => {
    const redis = pool()
    const transaction = async (key: string) => {
      await redis.watch(key)
      await redis.get(key)
      return redis.multi().incr(key).exec()
    }
    const others = Array.from({ length: 20 }, () => redis.multi().incr('other').exec())
    const watchers = await Promise.all(Array.from({ length: 20 }, (_, i) => transaction(`k${i}`)))
    expect(watchers).toEqual(Array.from({ length: 20 }, () => [[null, 1]]))
    expect(await Promise.all(others)).not.toContain(null)
    const conflicting = (async () => {
      await redis.watch('k')
      await pool().set('k', 'changed')
      return redis.multi().set('k', 'mine').exec()
    })()
    expect(await conflicting).toBeNull()
  })

  test('A subscriber still takes commands, on RESP2 too', async () => {
    const redis = pool({ protocol: 2 })
    expect(await redis.subscribe('news')).toBe(1)
    expect(await redis.set('k', 'v')).toBe('OK')
    const theirs = ioredis({ protocol: 2 })
    await theirs.subscribe('news')
    await expect(theirs.set('k', 'v')).rejects.toThrow('Connection in subscriber mode')
  })

  test('A gap in subscriptions is announced', async () => {
    const redis = pool()
    await redis.subscribe('news')
    const gap = once(redis, 'gap')
    await server.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
    const [{ from, to }] = (await gap) as [{ from: number; to: number }]
    expect(from).toBeLessThanOrEqual(to)
    const message = once(redis, 'message')
    expect(await redis.publish('news', 'again')).toBe(1)
    expect(await message).toEqual(['news', 'again'])
  })

  test('A monitor is no client', async () => {
    const monitor = await pool().monitor()
    expect('get' in monitor).toBe(false)
    expect(monitor.mode).toBe('monitor')
    monitor.disconnect()
  })
})

describe('failures', () => {
  test('A write that may have run is not sent again', async () => {
    const redis = pool({ autoResendUnfulfilledCommands: true })
    await redis.set('n', 0)
    // A server that stands still gets the commands and runs them later; their replies have nobody to go to.
    server.pause()
    const write = redis.incr('n')
    const read = redis.get('n')
    const marked = redis.with({ idempotent: true }).set('marked', 1)
    await new Promise((resolve) => setImmediate(resolve))
    redis.disconnect(true)
    await expect(write).rejects.toBeInstanceOf(OutcomeUnknownError)
    await expect(write).rejects.toMatchObject({ outcome: 'unknown' })
    server.resume()
    expect(['0', '1']).toContain(await read)
    expect(await marked).toBe('OK')
    expect(Number(await server.command('GET', 'n'))).toBeLessThanOrEqual(1)
  })

  test('Every command has a deadline', async () => {
    expect(pool().options.commandTimeoutMs).toBe(5_000)
    const redis = pool({ commandTimeout: 500 })
    expect(redis.options.commandTimeoutMs).toBe(500)
    await redis.ping()
    const forEver = redis.blpop('jobs', 0)
    await server.command('CLIENT', 'PAUSE', '10000', 'WRITE')
    await expect(redis.set('k', 'v')).rejects.toMatchObject({
      message: expect.stringContaining('Command timed out'),
      outcome: 'unknown',
    })
    await server.command('CLIENT', 'UNPAUSE')
    await server.command('RPUSH', 'jobs', 'x')
    expect(await forEver).toEqual(['jobs', 'x'])
  })

  test('The deadline, not a count of reconnects, ends the wait', async () => {
    for (const maxRetriesPerRequest of [0, null]) {
      const redis = pool({ maxRetriesPerRequest })
      await redis.ping()
      await killAll()
      expect(await redis.get('k')).toBeNull()
      expect(redis.options.maxRetriesPerRequest).toBe(maxRetriesPerRequest)
    }
  })

  test('retryStrategy decides whether to reconnect, not when', async () => {
    const retryStrategy = vi.fn((times: number) => (times === 1 ? 3_600_000 : undefined))
    const redis = pool({ retryStrategy })
    await redis.ping()
    const back = once(redis, 'ready')
    await killAll()
    await back
    expect(retryStrategy).toHaveBeenCalledWith(1)
    const ending = pool({ retryStrategy: () => null })
    await ending.ping()
    const end = once(ending, 'end')
    await killAll()
    await end
  })

  test('Errors without a listener are not printed', async () => {
    const printed = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const redis = pool()
    await redis.ping()
    const back = once(redis, 'ready')
    await killAll()
    await back
    expect(printed).not.toHaveBeenCalled()
    printed.mockRestore()
    expect((await redis.health()).lastError).toBeTypeOf('string')
  })

  test('Errors are cenote’s own, with the names and texts of ioredis', async () => {
    await server.command('SET', 'k', 'v')
    const ours = (await pool()
      .lpush('k', 'x')
      .catch((error: unknown) => error)) as ReplyError
    const theirs = (await ioredis()
      .lpush('k', 'x')
      .catch((error: unknown) => error)) as ReplyError
    expect([ours.name, ours.message, ours.command]).toEqual([theirs.name, theirs.message, theirs.command])
    expect(ours).toBeInstanceOf(ReplyError)
    expect(ours).toMatchObject({ code: 'CENOTE_REPLY', outcome: 'rejected' })
    // Once poolFor() has been given the class.
    poolFor(Redis, { lazyConnect: true }).disconnect()
    const { ReplyError: TheirError } = Redis as unknown as { ReplyError: new () => Error }
    expect(theirs).toBeInstanceOf(TheirError)
    expect(ours).toBeInstanceOf(TheirError)
  })

  test('In error.command the name is in lower case and arguments are text', async () => {
    const redis = pool()
    await expect(redis.call('LPUSH', Buffer.from('k'))).rejects.toMatchObject({
      command: { name: 'lpush', args: ['k'] },
    })
    await expect(redis.call('AUTH', 'user', 'secret')).rejects.toMatchObject({
      command: { name: 'auth', args: ['[hidden]'] },
    })
  })

  test('Options that are unknown or cannot be honoured throw', () => {
    expect(() => createPool({ maxRetries: 3 } as never)).toThrow(/Unknown option maxRetries/)
    expect(() => createPool({ monitor: true })).toThrow(/monitor must be left out: call monitor\(\) instead/)
  })
})

describe('mistakes that are not copied', () => {
  test('Integers near 2^53 are exact', async () => {
    await server.command('SET', 'n', '9007199254740990')
    expect(await pool().incr('n')).toBe(9007199254740991)
  })

  test('Unsubscribing without arguments always ends', async () => {
    const redis = pool()
    expect(await redis.unsubscribe()).toBe(0)
    await redis.subscribe('a', 'b')
    await redis.psubscribe('p*')
    expect(await redis.unsubscribe()).toBe(1)
    expect(await redis.punsubscribe()).toBe(0)
    expect(await redis.ping()).toBe('PONG')
  })

  test('A wrong number of keys is left to the server', async () => {
    const call = (client: Pick<Redis, 'eval'>) => client.eval('return KEYS', 2, 'a').catch((error: unknown) => error)
    const refused = {
      message: expect.stringContaining('Number of keys'),
      command: { args: ['return KEYS', '2', 'a'] },
    }
    expect(await call(pool({ keyPrefix: 'p:' }) as unknown as Redis)).toMatchObject(refused)
    expect(await call(ioredis({ keyPrefix: 'p:' }))).toEqual(['p:a', 'p:undefined'])
  })

  test('callBuffer works with automatic pipelining', async () => {
    const call = (client: Pick<Redis, 'ping' | 'callBuffer'>) =>
      client.ping().then(() => client.callBuffer('append', 'k', 'v').catch((error: Error) => error.message))
    expect(await call(pool({ enableAutoPipelining: true }) as unknown as Redis)).toBe(1)
    expect(await call(ioredis({ enableAutoPipelining: true }))).toContain("unknown command 'k'")
  })

  test('A Buffer is not an object of its bytes', async () => {
    const bytes = Buffer.from([7, 8])
    await expect(pool().hset('h', bytes as never)).rejects.toThrow("wrong number of arguments for 'hset'")
    expect(await ioredis().hset('h', bytes as never)).toBe(2)
  })
})
