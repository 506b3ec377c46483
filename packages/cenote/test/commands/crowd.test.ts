import { leakCheckEachTest } from '@cenote/test-support'
import type { RedisPool } from 'cenote'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { closeAfterEach, openPool, ready, useServer } from './support.js'

const server = useServer()
leakCheckEachTest({ beforeEach, afterEach })
closeAfterEach()

const BLOCKED = 100
const WATCHING = 100
const LISTENING = 10
const ORDINARY = 790
const ROUNDS = 5

/** Watches a key of its own, reads it, writes it; every transaction must go through. */
async function transact(pool: RedisPool, id: number): Promise<number> {
  const key = `watched:${id}`
  for (let round = 0; round < ROUNDS; round++) {
    await pool.watch(key)
    const before = Number(await pool.get(key))
    expect(before).toBe(round)
    const results = await pool
      .multi()
      .set(key, before + 1)
      .get(key)
      .exec()
    expect(results, `EXEC of ${key}`).toEqual([
      [null, 'OK'],
      [null, String(before + 1)],
    ])
  }
  return Number(await pool.get(key))
}

/** Sets, reads, counts in MULTI without WATCH: what it reads must be its own. */
async function ordinary(pool: RedisPool, id: number, latencies: number[]): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    const value = `${id}:${round}`
    await pool.set(`own:${id}`, value)
    const startedAt = performance.now()
    expect(await pool.get(`own:${id}`)).toBe(value)
    latencies.push(performance.now() - startedAt)
    expect(await pool.multi().incr(`count:${id}`).echo(value).exec()).toEqual([
      [null, round + 1],
      [null, value],
    ])
  }
}

it('a thousand callers of one pool get only their own replies, and small GETs pass those that wait', async () => {
  const pool = openPool(server(), { maxConnections: 160, acquireTimeoutMs: 15_000, commandTimeoutMs: 15_000 })
  pool.setMaxListeners(0)
  await ready(pool)

  const popped = Array.from({ length: BLOCKED }, (_, i) => pool.blpop(`list:${i}`, 0))
  const heard = new Map<string, string[]>()
  pool.on('message', (channel: string, text: string) => heard.set(channel, [...(heard.get(channel) ?? []), text]))
  await Promise.all(Array.from({ length: LISTENING }, (_, i) => pool.subscribe(`channel:${i}`)))
  while ((String(await server().command('CLIENT', 'LIST')).match(/cmd=blpop/g) ?? []).length < BLOCKED) {
    await new Promise((resolve) => setImmediate(resolve))
  }

  const latencies: number[] = []
  const [totals] = await Promise.all([
    Promise.all(Array.from({ length: WATCHING }, (_, i) => transact(pool, i))),
    Promise.all(Array.from({ length: ORDINARY }, (_, i) => ordinary(pool, i, latencies))),
    Promise.all(Array.from({ length: LISTENING }, (_, i) => pool.publish(`channel:${i}`, `for ${i}`))),
  ])

  expect(totals).toEqual(Array(WATCHING).fill(ROUNDS))
  expect(pool.stats().connections.leased).toBeGreaterThanOrEqual(BLOCKED)
  latencies.sort((a, b) => a - b)
  expect(latencies).toHaveLength(ORDINARY * ROUNDS)
  expect(latencies[Math.floor(latencies.length * 0.99)]).toBeLessThan(1_000)

  for (let i = 0; i < BLOCKED; i++) await pool.rpush(`list:${i}`, `element ${i}`)
  expect(await Promise.all(popped)).toEqual(Array.from({ length: BLOCKED }, (_, i) => [`list:${i}`, `element ${i}`]))
  for (let i = 0; i < LISTENING; i++) expect(heard.get(`channel:${i}`)).toEqual([`for ${i}`])
  for (let i = 0; i < ORDINARY; i += 79) expect(await server().command('GET', `count:${i}`)).toBe(String(ROUNDS))
})
