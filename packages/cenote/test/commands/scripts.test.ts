import { leakCheckEachTest } from '@cenote/test-support'
import type { RedisPool } from 'cenote'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { closeAfterEach, openPool, track, useServer } from './support.js'

const server = useServer()
leakCheckEachTest({ beforeEach, afterEach })
closeAfterEach()

type Scripted = { echoes(text: string): Promise<string> }
type Chained = { echoes(text: string): Chained & { exec(): Promise<unknown> } }
const scripted = (client: object) => client as unknown as Scripted
const chained = (chain: object) => chain as unknown as Chained

function define(pool: RedisPool): RedisPool {
  pool.defineCommand('echoes', { lua: 'return ARGV[1]', numberOfKeys: 0 })
  return pool
}

it('scripts are methods of leases, views, and the pipelines of both; of duplicates when passed as an option', async () => {
  const pool = define(openPool(server()))
  await using lease = await pool.acquire()
  const view = pool.with({ timeoutMs: 5_000 })
  for (const client of [pool, lease, view]) {
    expect(await scripted(client).echoes('x')).toBe('x')
    expect(await chained(client.pipeline()).echoes('x').echoes('y').exec()).toEqual([
      [null, 'x'],
      [null, 'y'],
    ])
    expect(await chained(client.multi()).echoes('x').exec()).toEqual([[null, 'x']])
  }
  expect('echoes' in track(pool.duplicate())).toBe(false)
  const own = track(pool.duplicate({ scripts: { echoes: { lua: 'return ARGV[1]', numberOfKeys: 0 } } }))
  expect(await scripted(own).echoes('x')).toBe('x')
})

it('in MULTI the source goes along, so that a server which forgot it runs the transaction all the same', async () => {
  const pool = define(openPool(server()))
  await scripted(pool).echoes('warm')
  await server().command('SCRIPT', 'FLUSH')
  await server().command('CONFIG', 'RESETSTAT')
  expect(await chained(pool.multi()).echoes('a').echoes('b').echoes('c').exec()).toEqual([
    [null, 'a'],
    [null, 'b'],
    [null, 'c'],
  ])
  const stats = String(await server().command('INFO', 'commandstats'))
  expect(stats).toContain('cmdstat_eval:calls=1')
  expect(stats).toContain('cmdstat_evalsha:calls=2')
  await using lease = await pool.acquire()
  await scripted(lease).echoes('warm')
  await server().command('SCRIPT', 'FLUSH')
  await lease.multi({ pipeline: false })
  await scripted(lease).echoes('d')
  expect(await lease.exec()).toEqual([[null, 'd']])
})

it('many calls in flight are all healed when the server forgets, each once', async () => {
  const pool = define(openPool(server(), { lanes: 2 }))
  pool.defineCommand('counts', { lua: 'return redis.call("INCR", KEYS[1])', numberOfKeys: 1 })
  const counts = (pool as unknown as { counts(key: string): Promise<number> }).counts.bind(pool)
  await counts('k')
  const calls: Promise<number>[] = []
  for (let i = 0; i < 200; i++) {
    if (i % 50 === 0) pool.script('FLUSH')
    calls.push(counts('k'))
  }
  expect((await Promise.all(calls)).sort((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, i) => i + 2))
})

it('a script that itself answers NOSCRIPT is believed, not sent for ever', async () => {
  const pool = openPool(server())
  pool.defineCommand('stubborn', { lua: 'return redis.error_reply("NOSCRIPT says the script")', numberOfKeys: 0 })
  const stubborn = (pool as unknown as { stubborn(): Promise<unknown> }).stubborn.bind(pool)
  await expect(stubborn()).rejects.toThrow(/^NOSCRIPT/)
  await expect(stubborn()).rejects.toThrow(/^NOSCRIPT/)
})

it('scripts may have any name without breaking the pool', async () => {
  const pool = openPool(server())
  for (const name of [
    'limit',
    'chain',
    'send',
    'place',
    'route',
    'core',
    'acquireLock',
    'rateLimit',
    'lock',
    'release',
  ]) {
    pool.defineCommand(name, { lua: 'return ARGV[1]', numberOfKeys: 0 })
    const call = (pool as unknown as Record<string, (text: string) => Promise<string>>)[name]!.bind(pool)
    expect(await call(name)).toBe(name)
  }
  expect(await pool.blpop('none', 0.01)).toBeNull()
  expect(await pool.multi().set('k', 1).exec()).toEqual([[null, 'OK']])
  expect(await pool.withConnection((lease) => lease.get('k'))).toBe('1')
  await pool.watch('k')
  expect(await pool.multi().get('k').exec()).toEqual([[null, '1']])
})
