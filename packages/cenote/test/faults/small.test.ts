import { leakCheckEachTest, startRedis } from '@cenote/test-support'
import { createPool } from 'cenote'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { poolFor } from '../../src/ioredis.js'
import { many, outcomes, ready } from './support.js'

leakCheckEachTest({ beforeEach, afterEach })

it('a command’s name of any characters is its caller’s mistake alone', async () => {
  await using redis = await startRedis()
  await using pool = createPool({ port: redis.port })
  await ready(pool)
  const names = fc.sample(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }), { numRuns: 200, seed: 7 })
  for (const name of ['žluť', '鍵', 'a\r\nb', '🐎', ...names]) {
    const before = pool.set('k', 'v')
    const odd = pool.call(name, 'x').catch((error: Error) => error)
    const after = pool.get('k')
    expect(await before).toBe('OK')
    await odd
    expect(await after).toBe('v')
  }
  expect(pool.stats().closed).toEqual({})
})

it('a plain EVALSHA that the server does not know is told so once', async () => {
  await using redis = await startRedis()
  await using pool = createPool({ port: redis.port })
  const sha = '0123456789012345678901234567890123456789'
  await expect(pool.evalsha(sha, 0)).rejects.toMatchObject({ outcome: 'rejected', attempts: 1 })
  const stats = String(await redis.command('INFO', 'commandstats'))
  expect(stats).toMatch(/cmdstat_evalsha:calls=0,.*rejected_calls=0,failed_calls=1|cmdstat_evalsha:calls=1/)
  expect(pool.stats().commands.retried).toBe(0)
})

it('errors of poolFor() are instances of the ReplyError of the class handed in', async () => {
  await using redis = await startRedis()
  const { ReplyError } = await import('ioredis')
  class Mine extends Redis {
    static ReplyError = ReplyError
  }
  const pool = poolFor(Mine, { port: redis.port })
  const error = await pool.call('INCR').catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(ReplyError)
  expect(error).toBeInstanceOf(Error)
  expect(new Error('other')).not.toBeInstanceOf(ReplyError)
  class Derived extends (ReplyError as unknown as new (message: string) => Error) {}
  expect(error).not.toBeInstanceOf(Derived)
  pool.disconnect()
})

it('error replies carry no stack of the decoder, and their command is put into words only when asked for', async () => {
  await using redis = await startRedis()
  await using pool = createPool({ port: redis.port })
  await pool.set('k', 'text')
  const results = await many(10, () => pool.incr('k'))
  expect(outcomes(results)).toEqual({ 'CENOTE_REPLY rejected': 10 })
  const { reason } = results[0] as PromiseRejectedResult
  expect(reason.stack).toBe('ReplyError: ERR value is not an integer or out of range')
  expect(Object.keys(reason)).not.toContain('command')
  expect(reason.command).toEqual({ name: 'incr', args: ['k'] })
  reason.command = { name: 'mine', args: [] }
  expect(reason.command.name).toBe('mine')
})
