import { once } from 'node:events'
import { createRequire } from 'node:module'
import { leakCheckEachTest, type RedisServer, startRedis } from '@cenote/test-support'
import { Command, Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { type PoolMethods, poolFor } from '../../src/ioredis.js'

let server: RedisServer
beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())
leakCheckEachTest({ beforeEach, afterEach })

type Client = Redis & PoolMethods
const clients: Client[] = []
beforeEach(async () => {
  await server.command('FLUSHALL')
})
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()))
})

function connect(Class: typeof Redis = Redis, options: object = {}): Client {
  const client = poolFor(Class, { port: server.port, ...options }) as Client
  clients.push(client)
  return client
}

/** The copies of ioredis that applications have: the newest, and the one bull brings along. */
const ioredis5 = createRequire(createRequire(import.meta.url).resolve('bull'))('ioredis') as typeof Redis

describe('a pool for the Redis class of the application', () => {
  it.each([
    ['6', Redis],
    ['5', ioredis5],
    ['6, derived', class Redis2 extends Redis {}],
  ])('is an instance of it and works: ioredis %s', async (_, Class) => {
    const opened = vi.spyOn(Class.prototype, 'connect')
    const redis = connect(Class as typeof Redis)
    expect(redis).toBeInstanceOf(Class)
    expect(redis.constructor.name).toBe('Redis')
    expect(redis.isCluster).toBe(false)
    expect(await redis.set('k', 'v')).toBe('OK')
    expect(await redis.pipeline().get('k').llen('none').exec()).toEqual([
      [null, 'v'],
      [null, 0],
    ])
    expect(await redis.multi().incr('n').exec()).toEqual([[null, 1]])
    expect(await redis.blpop('jobs', 0.01)).toBeNull()
    await expect(redis.lpush('k', 'x')).rejects.toMatchObject({ name: 'ReplyError', command: { name: 'lpush' } })
    expect(opened).not.toHaveBeenCalled()
    opened.mockRestore()
  })

  it('duplicates into a client of the same class, with one connection', async () => {
    const redis = connect()
    await redis.ping()
    const before = Number(
      await server.command('INFO', 'clients').then((info) => /connected_clients:(\d+)/.exec(String(info))![1]),
    )
    const duplicate = redis.duplicate({ connectionName: 'mine' })
    expect(duplicate).toBeInstanceOf(Redis)
    expect(await duplicate.client('GETNAME')).toBe('mine')
    const after = Number(
      await server.command('INFO', 'clients').then((info) => /connected_clients:(\d+)/.exec(String(info))![1]),
    )
    expect(after - before).toBe(1)
    const made = new (redis.constructor as typeof Redis)({ port: server.port })
    expect(made).toBeInstanceOf(Redis)
    expect(made).toHaveProperty('withConnection')
    await Promise.all([duplicate.quit(), made.quit()])
  })

  it('carries messages, events, status, options and scripts', async () => {
    const redis = connect(Redis, { lazyConnect: true, keyPrefix: 'p:' })
    expect(redis.status).toBe('wait')
    const ready = once(redis, 'ready')
    await redis.connect()
    await ready
    expect(redis.status).toBe('ready')
    expect(redis.options).toMatchObject({ port: server.port, keyPrefix: 'p:', lazyConnect: true })
    const message = once(redis, 'message')
    await redis.subscribe('news')
    await redis.publish('news', 'hello')
    expect(await message).toEqual(['news', 'hello'])
    redis.defineCommand('echoOf', { numberOfKeys: 1, lua: 'return {KEYS[1], ARGV[1]}' })
    expect(
      await (redis as unknown as { echoOf(key: string, value: string): Promise<string[]> }).echoOf('k', 'v'),
    ).toEqual(['p:k', 'v'])
    expect(redis.stats().name).toBe('cenote')
    const end = once(redis, 'end')
    await redis.quit()
    await end
    await expect(redis.get('k')).rejects.toThrow('Connection is closed.')
  })

  it('has every public method and property of ioredis from the pool, so that none of ioredis runs by itself', () => {
    const redis = connect()
    const bridge = Object.getPrototypeOf(redis) as object
    const inherited = new Set<string>()
    for (let type: object = Redis.prototype; type !== Object.prototype; type = Object.getPrototypeOf(type)) {
      for (const key of Object.getOwnPropertyNames(type)) {
        if (!Object.hasOwn(bridge, key) && !Object.hasOwn(redis, key)) inherited.add(key)
      }
    }
    const declaredPrivate = [
      ...[
        '_connect',
        '_getServerAddress',
        '_buildCommandContext',
        '_buildBatchContext',
        '_getDescription',
        '_readyCheck',
      ],
      ...['getConfiguredBlockingTimeout', 'silentEmit', 'recoverFromFatalError', 'handleReconnection', 'parseOptions'],
      ...['resetCommandQueue', 'resetOfflineQueue', 'setStatus', 'createScanStream', 'flushQueue'],
    ]
    expect([...inherited].sort()).toEqual([...declaredPrivate, 'sendCommand'].sort())
  })

  it('refuses something that is no class of ioredis', () => {
    expect(() => poolFor({} as never)).toThrow("poolFor() takes the Redis class first: import { Redis } from 'ioredis'")
    expect(() => poolFor(class Other extends EventTarget {} as never)).toThrow(TypeError)
    expect(() => poolFor(Redis, { hots: 'x' } as never)).toThrow(/Unknown option hots/)
  })
})

describe('wrappers of Redis.prototype.sendCommand', () => {
  const original = Redis.prototype.sendCommand
  interface Seen {
    name: string
    args: unknown
    result: unknown
    inTransaction: boolean
    pipelineIndex: number | undefined
  }
  let seen: Seen[] = []
  beforeEach(() => {
    seen = []
    // As OpenTelemetry does it: resolve and reject are replaced after the command was handed on.
    Redis.prototype.sendCommand = function (this: Redis, ...call: Parameters<typeof original>) {
      const result = original.apply(this, call)
      const command = call[0] as Command & { inTransaction: boolean; pipelineIndex: number | undefined }
      const note = (settled: unknown) => {
        const { name, args, inTransaction, pipelineIndex } = command
        seen.push({ name, args, result: settled, inTransaction, pipelineIndex })
      }
      const { resolve, reject } = command
      command.resolve = (value) => {
        note(value)
        resolve(value)
      }
      command.reject = (error) => {
        note(error)
        reject(error)
      }
      return result
    }
  })
  afterEach(() => {
    Redis.prototype.sendCommand = original
  })

  it('see each command once, also before the connection is ready, and its result', async () => {
    const redis = connect()
    expect(await redis.set('k', 'v')).toBe('OK')
    expect(await redis.get('k')).toBe('v')
    await expect(redis.incr('k')).rejects.toThrow('not an integer')
    await new Promise<void>((resolve, reject) => {
      redis.get('k', (error, value) => (error || value !== 'v' ? reject(error) : resolve()))
    })
    await redis.select(1)
    expect(seen.map(({ name, args }) => [name, args])).toEqual([
      ['set', ['k', 'v']],
      ['get', ['k']],
      ['incr', ['k']],
      ['get', ['k']],
      ['select', [1]],
    ])
    expect(seen[2]?.result).toMatchObject({ name: 'ReplyError' })
  })

  it('see the commands of pipelines, transactions and scripts', async () => {
    const redis = connect()
    expect(await redis.pipeline().set('n', 1).incr('n').exec()).toEqual([
      [null, 'OK'],
      [null, 2],
    ])
    expect(await redis.multi().incr('n').exec()).toEqual([[null, 3]])
    redis.defineCommand('one', { numberOfKeys: 0, lua: 'return 1' })
    expect(await (redis as unknown as { one(): Promise<number> }).one()).toBe(1)
    expect(seen.map(({ name, pipelineIndex, inTransaction }) => [name, pipelineIndex, inTransaction])).toEqual([
      ['set', 0, false],
      ['incr', 1, false],
      ['multi', 0, true],
      ['incr', 1, true],
      ['exec', 2, true],
      ['evalsha', undefined, false],
    ])
    expect(seen.map(({ result }) => result)).toEqual(['OK', 2, 'OK', 'QUEUED', expect.anything(), 1])
  })

  it('are passed commands that the application made itself', async () => {
    const redis = connect()
    await redis.set('k', 'v')
    expect(await redis.sendCommand(new Command('get', ['k'], { replyEncoding: 'utf8' }))).toBe('v')
  })

  it('cost nothing once they are gone', async () => {
    const redis = connect()
    Redis.prototype.sendCommand = original
    const spy = vi.spyOn(Redis.prototype, 'connect')
    await redis.set('k', 'v')
    expect(seen).toEqual([])
    expect(spy).not.toHaveBeenCalled()
    spy.mockRestore()
  })
})

describe('the type', () => {
  it('is that of the application’s class', () => {
    const redis = connect()
    const asRedis: Redis = redis
    const ioredis: (client: Redis) => Promise<string | null> = (client) => client.get('k')
    expect(asRedis).toBe(redis)
    return expect(ioredis(redis)).resolves.toBeNull()
  })
})
