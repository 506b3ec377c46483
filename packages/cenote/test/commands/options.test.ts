import { inspect } from 'node:util'
import { leakCheckEachTest } from '@cenote/test-support'
import { type PoolOptions, RedisPool } from 'cenote'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { closeAfterEach, openPool, track, useServer } from './support.js'

const server = useServer()
leakCheckEachTest({ beforeEach, afterEach })
closeAfterEach()

const resolved = (first: PoolOptions | string | number) => {
  const options = { lazyConnect: true }
  if (typeof first === 'object') return track(new RedisPool({ ...options, ...first })).options
  return track(typeof first === 'string' ? new RedisPool(first, options) : new RedisPool(first, options)).options
}

describe('options', () => {
  it('have every key that those of ioredis have, with its defaults where they mean the same', () => {
    const theirs = track(new Redis({ lazyConnect: true })).options as Record<string, unknown>
    const ours = resolved({}) as unknown as Record<string, unknown>
    expect(Object.keys(theirs).filter((key) => !(key in ours))).toEqual([])
    const same = [
      'family',
      'db',
      'keyPrefix',
      'lazyConnect',
      'enableReadyCheck',
      'enableOfflineQueue',
      'maxRetriesPerRequest',
    ]
    for (const key of [...same, 'port', 'protocol', 'replyMapping', 'stringNumbers', 'role', 'sentinels', 'readOnly']) {
      expect(ours[key], key).toEqual(theirs[key])
    }
  })

  it('of ioredis are taken back as they are, also its own defaults and those of a pool', () => {
    const theirs = track(new Redis({ lazyConnect: true, host: '127.0.0.1', port: 7000, db: 3 })).options
    expect(resolved(theirs as PoolOptions)).toMatchObject({ port: 7000, db: 3, connectTimeoutMs: 10_000 })
    const own = resolved({ port: 7001, commandTimeout: 250, maxRetriesPerRequest: null })
    expect(resolved(own)).toEqual(own)
  })

  it('come as port, port and host, URL, socket path or object', () => {
    expect(resolved(6390)).toMatchObject({ port: 6390 })
    const options = track(new RedisPool(6390, 'cache', { lazyConnect: true, db: 2 })).options
    expect(options).toMatchObject({ port: 6390, host: 'cache', db: 2 })
    expect(resolved('redis://user:p%40ss@h:7000/3?family=6&maxRetriesPerRequest=null')).toMatchObject({
      host: 'h',
      port: 7000,
      db: 3,
      family: 6,
      username: 'user',
      password: 'p@ss',
      maxRetriesPerRequest: null,
    })
    expect(resolved('/tmp/redis.sock')).toMatchObject({ path: '/tmp/redis.sock' })
    expect(resolved('rediss://h')).toMatchObject({ tls: true })
    expect(resolved({ port: '7000', db: '4' })).toMatchObject({ port: 7000, db: 4 })
  })

  it('that contradict each other, are unknown, or cannot be honoured throw and say what to do', () => {
    expect(() => new RedisPool({ commandTimeout: 1, commandTimeoutMs: 2 })).toThrow(/contradict/)
    expect(() => new RedisPool({ maxRetriesPerReqest: 1 } as never)).toThrow(
      /Unknown option maxRetriesPerReqest; did you mean .*maxRetriesPerRequest/,
    )
    expect(() => new RedisPool({ sentinels: [{ host: 'h' }], name: 'mymaster' })).toThrow(/Sentinel/)
    expect(() => new RedisPool({ replyMapping: 'resp3', protocol: 2 })).toThrow(/protocol 3/)
    expect(() => new RedisPool({ enableOfflineQueue: 'no' as never })).toThrow(
      /enableOfflineQueue must be true or false/,
    )
    expect(() => new RedisPool({ scripts: { x: {} as never } })).toThrow(/script x/)
  })

  it('with replyMapping resp3 give objects, numbers and booleans', async () => {
    const pool = openPool(server(), { replyMapping: 'resp3' })
    await pool.hset('h', 'f', 'v')
    await pool.zadd('z', 1.5, 'a')
    expect(await pool.hgetall('h')).toEqual({ f: 'v' })
    expect(await pool.zscore('z', 'a')).toBe(1.5)
    expect(await pool.zrange('z', 0, -1, 'WITHSCORES')).toEqual([['a', 1.5]])
    expect(await pool.config('GET', 'maxmemory')).toEqual({ maxmemory: '0' })
  })

  it('show no password when the pool is printed', () => {
    const pool = track(new RedisPool({ lazyConnect: true, password: 'hidden-word' }))
    expect(inspect(pool)).not.toContain('hidden-word')
    expect(inspect({ deep: { pool } })).not.toContain('hidden-word')
  })
})
