import { type RedisServer, startRedis } from '@cenote/test-support'
import { createPool, type RedisPool } from 'cenote'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { plain, sameReply } from '../src/differential/compare.js'
import { type CommandDoc, readDocs } from '../src/differential/docs.js'
import { argumentsFor } from '../src/differential/steps.js'

/** Would end the server, the connection or the reply; each has a test of its own, or no meaning for a client. */
const NEVER_SENT = new Set([
  ...['shutdown', 'sync', 'psync', 'replconf', 'replicaof', 'slaveof', 'failover', 'monitor', 'quit', 'reset'],
  ...[
    'subscribe',
    'psubscribe',
    'ssubscribe',
    'unsubscribe',
    'punsubscribe',
    'sunsubscribe',
    'auth',
    'hello',
    'select',
  ],
  ...['multi', 'exec', 'discard', 'watch', 'unwatch', 'debug', 'client|kill', 'client|pause', 'client|reply'],
  ...[
    'save',
    'bgsave',
    'bgrewriteaof',
    'pfselftest',
    'pfdebug',
    'migrate',
    'module|load',
    'module|loadex',
    'wait',
    'waitaof',
  ],
  ...['flushall', 'swapdb', 'move', 'config|set', 'config|rewrite', 'config|resetstat', 'script|debug', 'acl|deluser'],
  ...[
    'acl|setuser',
    'function|kill',
    'function|restore',
    'client|tracking',
    'client|caching',
    'copy',
    'restore-asking',
  ],
])

/** Depends on the moment, the connection or chance: only the kind of reply is compared. */
const VOLATILE = new Set([
  ...['info', 'time', 'lastsave', 'randomkey', 'spop', 'srandmember', 'hrandfield', 'zrandmember', 'lolwut', 'role'],
  ...[
    'client|id',
    'client|list',
    'client|info',
    'memory|stats',
    'memory|doctor',
    'memory|malloc-stats',
    'memory|usage',
  ],
  ...['latency|histogram', 'slowlog|get', 'slowlog|len', 'object|idletime', 'acl|genpass', 'acl|log', 'function|stats'],
  ...[
    'function|list',
    'function|dump',
    'function|load',
    'function|delete',
    'script|exists',
    'client|trackinginfo',
    'xadd',
  ],
])

const kindOf = (value: unknown): string => (Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value)

let server: RedisServer
let byMethod: RedisPool
let byCall: RedisPool
let docs: CommandDoc[]
beforeAll(async () => {
  server = await startRedis()
  docs = await readDocs(server.port)
  byMethod = createPool({ port: server.port, db: 0 })
  byCall = createPool({ port: server.port, db: 1 })
})
afterAll(async () => {
  await Promise.all([byMethod, byCall].map((pool) => pool.close()))
  await server.stop()
})
beforeEach(async () => {
  for (const pool of [byMethod, byCall]) {
    await pool.flushdb()
    await pool
      .multi()
      .set('s1', '10')
      .hset('h1', { a: '1', field: '2' })
      .rpush('l1', 'a', 'b')
      .sadd('e1', 'a', '1')
      .zadd('z1', 1, 'a', 2.5, 'b')
      .geoadd('g1', 13.36, 38.11, 'a')
      .xadd('x1', '1-1', 'a', '1')
      .exec()
  }
})

const settled = (promise: unknown) => Promise.resolve(promise).then(plain, plain)

describe('each command of the running server', () => {
  test('is a method, and has a Buffer twin', () => {
    const methods = byMethod as unknown as Record<string, unknown>
    const names = new Set(docs.map(({ name }) => name.split('|')[0]!))
    const missing = [...names].filter(
      (name) => typeof methods[name] !== 'function' || typeof methods[`${name}Buffer`] !== 'function',
    )
    expect(missing.filter((name) => name !== 'monitor')).toEqual([])
    expect(names.size).toBeGreaterThan(200)
  })

  test('answers its method and call() alike', { timeout: 60_000 }, async () => {
    const differing: string[] = []
    let compared = 0
    for (const doc of docs) {
      if (NEVER_SENT.has(doc.name)) continue
      const [name = '', sub] = doc.name.split('|')
      for (const sample of fc.sample(argumentsFor(doc), { seed: 7, numRuns: 4 })) {
        const args = sub === undefined ? sample : [sub.toUpperCase(), ...sample]
        const method = (byMethod as unknown as Record<string, (...args: unknown[]) => unknown>)[name]!
        const [one, other] = await Promise.all([
          settled(method.apply(byMethod, [...args])),
          settled(byCall.call(name, ...args)),
        ])
        compared++
        const same = VOLATILE.has(doc.name) ? kindOf(one) === kindOf(other) : sameReply(name, one, other)
        if (!same) differing.push(`${name} ${JSON.stringify(args)}: ${JSON.stringify(one)} ≠ ${JSON.stringify(other)}`)
      }
    }
    expect(differing).toEqual([])
    expect(compared).toBeGreaterThan(900)
  })
})
