import { getEventListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { leakCheckEachTest, startRedis } from '@cenote/test-support'
import type { RedisPool } from 'cenote'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { closeAfterEach, nextTurn, openPool, ready, useServer } from './support.js'

const server = useServer()
leakCheckEachTest({ beforeEach, afterEach })
closeAfterEach()

/** Keeps the server from answering on ordinary connections. */
const pauseServer = (milliseconds: number) => server().command('CLIENT', 'PAUSE', milliseconds)

async function written(pool: RedisPool, count: number): Promise<void> {
  while (pool.stats().commands.inFlight < count) await nextTurn()
}

describe('redis.with', () => {
  it('gives commands, pipelines and transactions a deadline of their own', async () => {
    const pool = openPool(server())
    await ready(pool)
    const quick = pool.with({ timeoutMs: 50 })
    expect(await quick.set('k', 'v')).toBe('OK')
    expect(await quick.hgetall('none')).toEqual({})
    expect(await quick.call('GET', 'k')).toBe('v')
    await pauseServer(400)
    await expect(quick.get('k')).rejects.toMatchObject({ code: 'CENOTE_COMMAND_TIMEOUT' })
    expect((await quick.pipeline().get('k').exec())![0]![0]).toMatchObject({ code: 'CENOTE_COMMAND_TIMEOUT' })
    expect(await pool.get('k')).toBe('v')
  })

  it('refuses at once when the signal has fired already', async () => {
    const pool = openPool(server())
    const aborted = pool.with({ signal: AbortSignal.abort() })
    await expect(aborted.set('k', 1)).rejects.toMatchObject({ name: 'AbortError', outcome: 'not-sent' })
    expect((await aborted.pipeline().set('k', 1).exec())![0]![0]).toMatchObject({ outcome: 'not-sent' })
    expect(await pool.exists('k')).toBe(0)
  })

  it('withdraws a command that waits for a connection: it never reaches the server', async () => {
    const own = await startRedis()
    const pool = openPool(own, { lazyConnect: true })
    await own.kill()
    const abort = new AbortController()
    const waiting = pool.with({ signal: abort.signal }).set('k', 1)
    setImmediate(() => abort.abort())
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError', outcome: 'not-sent' })
    await own.restart()
    expect(await pool.exists('k')).toBe(0)
    pool.disconnect()
    await own.stop()
  })

  it('drops the reply of a written command and keeps the order of the others', async () => {
    const pool = openPool(server())
    await ready(pool)
    await pauseServer(600)
    const abort = new AbortController()
    const given = pool.with({ signal: abort.signal }).set('k', 'written')
    const next = pool.get('k')
    await written(pool, 2)
    abort.abort()
    await expect(given).rejects.toMatchObject({ name: 'AbortError', outcome: 'unknown' })
    expect(await next).toBe('written')
    expect(await pool.ping()).toBe('PONG')
  })

  it('calls a blocking command back from the server, so that no element is lost', async () => {
    const pool = openPool(server())
    const abort = new AbortController()
    const blocked = pool.with({ signal: abort.signal }).blpop('list', 0)
    while (!String(await server().command('CLIENT', 'LIST')).includes('cmd=blpop')) await sleep(5)
    abort.abort()
    await expect(blocked).rejects.toMatchObject({ name: 'AbortError', outcome: 'rejected' })
    await pool.rpush('list', 'kept')
    expect(await pool.lrange('list', 0, -1)).toEqual(['kept'])
    expect(pool.stats().connections.leased).toBe(0)
  })

  it('leaves no listener on a signal that is used for many calls', async () => {
    const pool = openPool(server())
    const { signal } = new AbortController()
    const view = pool.with({ signal })
    const all = Promise.all(Array.from({ length: 100 }, (_, i) => view.set('k', i)))
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    await all
    await view.blpop('none', 0.01)
    await view.multi().get('k').exec()
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  it('marks writes that may run twice: they are sent again after a lost reply', async () => {
    const pool = openPool(server())
    await ready(pool)
    await pauseServer(600)
    const marked = pool.with({ idempotent: true }).set('marked', 1)
    const plain = pool.set('plain', 1)
    plain.catch(() => undefined)
    await written(pool, 2)
    pool.disconnect(true)
    expect(await marked).toBe('OK')
    await expect(plain).rejects.toMatchObject({ code: 'CENOTE_OUTCOME_UNKNOWN', outcome: 'unknown' })
  })
})

describe('WAIT', () => {
  it('counts the replicas that have the writes issued before it, whichever connection made them', async () => {
    const replica = await startRedis({ config: { replicaof: `127.0.0.1 ${server().port}` } })
    const pool = openPool(server(), { lanes: 2 })
    while ((await pool.info('replication')).includes('connected_slaves:0')) await sleep(20)
    while (!(await pool.info('replication')).includes('state=online')) await sleep(20)
    for (let i = 0; i < 10; i++) {
      for (let n = 0; n < 20; n++) pool.set(`k${n}`, i)
      expect(await pool.wait(1, 5_000)).toBe(1)
      expect(await replica.command('GET', 'k19')).toBe(String(i))
    }
    pool.disconnect()
    await replica.stop()
  })
})

describe('options of ioredis', () => {
  it('blockingTimeout settles a blocking call with null and loses no element', async () => {
    const pool = openPool(server(), { blockingTimeout: 50 })
    expect(await pool.blpop('list', 0)).toBeNull()
    await pool.rpush('list', 'x')
    expect(await pool.blpop('list', 0)).toEqual(['list', 'x'])
  })

  it('showFriendlyErrorStack points at the caller', async () => {
    const pool = openPool(server(), { showFriendlyErrorStack: true })
    await pool.set('text', 'x')
    const failure = await pool.incr('text').catch((error: Error) => error)
    const lines = (failure as Error).stack!.split('\n')
    expect(lines[0]).toMatch(/^ReplyError: /)
    expect(lines[1]).toContain('calls.test.ts')
  })

  it('enableOfflineQueue false refuses commands while nothing is connected', async () => {
    const pool = openPool(server(), { enableOfflineQueue: false })
    await expect(pool.get('k')).rejects.toThrow("Stream isn't writeable and enableOfflineQueue options is false")
    await ready(pool)
    expect(await pool.get('k')).toBeNull()
  })

  it('readOnly, clientInfoTag and connectionName reach the server', async () => {
    const pool = openPool(server(), { connectionName: 'named', readOnly: true, clientInfoTag: 'x' })
    expect(await pool.client('GETNAME')).toBe('named')
    expect(await pool.client('INFO')).toContain('name=named')
  })
})
