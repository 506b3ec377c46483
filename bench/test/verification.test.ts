import { type RedisServer, startRedis } from '@cenote/test-support'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BytesDecoder, type FloorReply, Latin1Decoder } from '../src/clients/floor-codec.js'
import { clientKinds, openClient, parseClient } from '../src/clients/index.js'
import type { BenchClient } from '../src/clients/types.js'
import { sameEntries, sameHash, sameList } from '../src/clients/verify.js'
import type { Target } from '../src/job.js'
import { ServerView } from '../src/measure/server.js'
import { measureWindow } from '../src/measure/window.js'
import { texts } from '../src/workloads/get-set.js'
import { asciiValue, multibyteValue } from '../src/workloads/values.js'

let server: RedisServer
let target: Target

beforeAll(async () => {
  server = await startRedis()
  target = { host: server.host, port: server.port, pid: server.pid }
})

afterAll(async () => {
  await server.stop()
})

const needs = { text: 'latin1', dedicated: 2 } as const
const values = Array.from({ length: 64 }, (_, i) => asciiValue(i, 100))

/** Failures end it at once, so only the runs that go well take the whole window. */
async function measured(wrap: (client: BenchClient) => Pick<BenchClient, 'get' | 'set'>, windowMs = 10_000) {
  const client = await openClient('floor', target, needs)
  const view = await ServerView.open(target)
  const options = { warmUpMs: 30, windowMs, callers: 8, commandsPerOperation: 1 }
  try {
    const wrapped = wrap(client)
    return await measureWindow(options, view, (caller, loop) => texts(wrapped, caller, values, loop))
  } finally {
    view.close()
    await client.close()
  }
}

describe('a measurement', () => {
  test('counts what an honest client settles', async () => {
    const { perSecond, cpuUs, serverCpuUs, latencyMs, connections } = await measured((client) => client, 150)
    expect(perSecond).toBeGreaterThan(0)
    expect(cpuUs).toBeGreaterThan(0)
    expect(serverCpuUs).toBeGreaterThanOrEqual(0)
    expect(latencyMs!.p50).toBeLessThanOrEqual(latencyMs!.p99)
    expect(connections).toBe(1)
  })

  test('fails when a reply belongs to another caller', async () => {
    let calls = 0
    const swapped = measured((client) => ({
      set: (key, value) => client.set(key, value),
      get: (key) => client.get(++calls === 500 ? 'bench:0x' : key),
    }))
    await expect(swapped).rejects.toThrow(/GET bench:\d+ got a wrong reply: null/)
  })

  test('fails when a write was settled and not made', async () => {
    let calls = 0
    const forgetful = measured((client) => ({
      set: (key, value) => (++calls > 20 ? Promise.resolve('OK') : client.set(key, value)),
      get: (key) => client.get(key),
    }))
    await expect(forgetful).rejects.toThrow(/got a wrong reply: "</)
  })

  test('fails when the client answers by itself and the server was not asked', async () => {
    const cached = measured((client) => {
      const known = new Map<string, string>()
      return {
        set: (key, value) => {
          known.set(key, value)
          return client.set(key, value)
        },
        get: async (key) => {
          // Without a turn of the event loop no timer would end the window.
          await new Promise((resolve) => setImmediate(resolve))
          return known.get(key)
        },
      }
    }, 150)
    await expect(cached).rejects.toThrow(/The server executed \d+ commands; \d+ replies were given/)
  })

  test('fails when a command is rejected', async () => {
    let calls = 0
    const failing = measured((client) => ({
      set: (key, value) => client.set(key, value),
      get: (key) => (++calls === 300 ? Promise.reject(new Error('lost')) : client.get(key)),
    }))
    await expect(failing).rejects.toThrow('lost')
  })
})

describe('replies with several parts', () => {
  test('pass only when all parts are right', () => {
    expect(sameList(['a', 1], ['a', 1])).toBe(true)
    for (const wrong of [['a'], ['a', 1, 2], ['a', '1'], null, 'a1']) expect(sameList(wrong, ['a', 1])).toBe(false)
    expect(sameEntries([[null, 'a']], ['a'])).toBe(true)
    for (const wrong of [[[new Error('x')]], [[null, 'b']], [], ['a']]) expect(sameEntries(wrong, ['a'])).toBe(false)
    const hash = { fields: ['f', 'g'], values: ['1', '2'] }
    expect(sameHash({ f: '1', g: '2' }, hash)).toBe(true)
    for (const wrong of [{ f: '1' }, { f: '1', g: '3' }, { f: '1', g: '2', h: '3' }, null]) {
      expect(sameHash(wrong, hash)).toBe(false)
    }
  })
})

describe('values', () => {
  test('have the length asked for and differ at both ends', () => {
    for (const bytes of [100, 1024, 102_400]) expect(asciiValue(7, bytes)).toHaveLength(bytes)
    expect(asciiValue(1, 100).slice(-5)).not.toBe(asciiValue(2, 100).slice(-5))
    const text = multibyteValue(3, 1024)
    expect(Buffer.byteLength(text)).toBeGreaterThan(text.length * 1.5)
    expect(Math.abs(Buffer.byteLength(text) - 1024)).toBeLessThan(60)
  })
})

const names = clientKinds
  .filter((kind) => kind !== 'cenote-leases')
  .map((kind) => (kind.endsWith('pool') ? `${kind}@4` : kind))

describe.each([...names, 'ioredis@2'])('%s', (name) => {
  test('does every operation of the workloads, and says so when a reply is not the expected one', async () => {
    await server.command('FLUSHALL')
    await server.command('HSET', 'hash', 'f', '1', 'g', '2')
    await server.command('RPUSH', 'list', 'a', 'b')
    await server.command('MSET', 'k1', 'v1', 'k2', 'v2')
    const script = 'return KEYS[1] .. ARGV[1]'
    const sha = String(await server.command('SCRIPT', 'LOAD', script))
    const client = await openClient(name, target, needs)
    try {
      expect(await client.set('key', 'value')).toBe('OK')
      expect(await client.get('key')).toBe('value')
      expect(await client.get('none')).toBeNull()
      expect(await client.mget(['k1', 'none', 'k2'])).toEqual(['v1', null, 'v2'])
      expect(await client.lrange('list')).toEqual(['a', 'b'])
      expect(await client.hgetall('hash', { fields: ['f', 'g'], values: ['1', '2'] })).toBe(true)
      expect(await client.hgetall('hash', { fields: ['f', 'g'], values: ['1', '3'] })).toBe(false)
      expect(await client.pipelineGets(['k1', 'k2'], ['v1', 'v2'])).toBe(true)
      expect(await client.pipelineGets(['k1', 'k2'], ['v2', 'v1'])).toBe(false)
      expect(await client.transaction({ value: 'tv', counter: 'tc' }, 'x', 1)).toBe(true)
      expect(await client.transaction({ value: 'tv', counter: 'tc' }, 'x', 1)).toBe(false)
      expect(await client.script({ text: script, sha }, 'k', '+a')).toBe('k+a')
      const own = await client.dedicated()
      await server.command('RPUSH', 'queue', 'element')
      expect(await own.blockingPop('queue', 1)).toBe('element')
      expect(await own.watchIncrement('watched')).toBe(true)
      expect(await server.command('GET', 'watched')).toBe('1')
      await own.close()
    } finally {
      await client.close()
    }
  })

  test('carries bytes that are no text', async () => {
    const bytes = Buffer.from([0, 255, 13, 10, 128, 65])
    const client = await openClient(name, target, { text: 'bytes', dedicated: 0 })
    try {
      expect(String(await client.setBuffer('bytes', bytes))).toBe('OK')
      expect(bytes.equals((await client.getBuffer('bytes')) as Buffer)).toBe(true)
    } finally {
      await client.close()
    }
  })
})

test('a client that does not exist is refused by name', () => {
  expect(parseClient('node-redis-pool@20')).toEqual({ kind: 'node-redis-pool', connections: 20 })
  for (const wrong of ['redis', 'cenote@0', 'cenote@x', 'cenote@1@2']) {
    expect(() => parseClient(wrong)).toThrow(`There is no client ${wrong}`)
  }
})

describe('the floor reads replies cut at every byte', () => {
  const text = `+OK\r\n$5\r\nhello\r\n:-12\r\n:7\r\n$-1\r\n*2\r\n$1\r\na\r\n*1\r\n:1\r\n-ERR no\r\n$300\r\n${'x'.repeat(300)}\r\n`
  const expected = ['OK', 'hello', -12, 7, null, ['a', [1]], new Error('ERR no'), 'x'.repeat(300)]
  const bytes = Buffer.from(text)

  test.each([
    ['latin1', (deliver: (reply: FloorReply) => void) => new Latin1Decoder(deliver)],
    ['utf8', (deliver: (reply: FloorReply) => void) => new BytesDecoder(deliver, true)],
  ])('%s', (_, make) => {
    for (let cut = 0; cut <= bytes.length; cut++) {
      const replies: FloorReply[] = []
      const decoder = make((reply) => replies.push(reply))
      decoder.write(bytes.subarray(0, cut))
      decoder.write(bytes.subarray(cut))
      expect(replies).toEqual(expected)
    }
    const replies: FloorReply[] = []
    const decoder = make((reply) => replies.push(reply))
    for (const byte of bytes) decoder.write(Buffer.from([byte]))
    expect(replies).toEqual(expected)
  })
})
