import { leakCheckEachTest, startRedis } from '@cenote/test-support'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { resolveOptions } from '../../src/config/resolve.js'
import { BLOCKING, Command, promiseOf } from '../../src/connection/command.js'
import { lookupCommand } from '../../src/metadata/lookup.js'
import { Pool } from '../../src/pool/pool.js'
import { until } from './support.js'

leakCheckEachTest({ beforeEach, afterEach })

const ignore = () => undefined

function coreOf(port: number, more: object = {}): Pool {
  const core = new Pool(resolveOptions(undefined, { port, ...more }, {}), {
    onConnecting: ignore,
    onReady: ignore,
    onLost: ignore,
    onError: ignore,
    onPush: ignore,
    onLeak: ignore,
    onFallback: ignore,
    onWarning: ignore,
    complaints: () => [],
  })
  core.connect()
  return core
}

function start(core: Pool, name: string, ...args: string[]): { command: Command; promise: Promise<unknown> } {
  const command = new Command(lookupCommand(name), args, 0)
  command.timeoutMs = name === 'blpop' ? 0 : 5_000
  const promise = promiseOf(command)
  promise.catch(ignore)
  if (name === 'blpop') {
    command.flags |= BLOCKING
    core.run([command], { label: 'BLPOP' })
  } else core.send(command)
  return { command, promise }
}

const reason = new DOMException('This operation was aborted', 'AbortError')

describe('an aborted command', () => {
  it('that was parked is not sent, and says so', async () => {
    await using redis = await startRedis()
    await redis.kill()
    const core = coreOf(redis.port)
    const { command, promise } = start(core, 'set', 'k', '1')
    core.cancel(command, reason)
    await expect(promise).rejects.toMatchObject({ name: 'AbortError', code: 'CENOTE_ABORTED', outcome: 'not-sent' })
    await redis.restart()
    await until(() => core.isReady)
    const { promise: after } = start(core, 'get', 'k')
    expect(await after).toBe(null)
    core.destroy()
  })

  it('that was written is unknown, keeps its reply slot, and nobody gets a stranger’s reply', async () => {
    await using redis = await startRedis()
    const core = coreOf(redis.port)
    await until(() => core.isReady)
    await redis.command('CLIENT', 'PAUSE', 200, 'ALL')
    const commands = Array.from({ length: 100 }, (_, i) => start(core, 'echo', String(i)))
    await until(() => core.stats('').commands.inFlight === 100)
    for (const [i, { command }] of commands.entries()) if (i % 3 === 0) core.cancel(command, reason)
    const results = await Promise.allSettled(commands.map(({ promise }) => promise))
    for (const [i, result] of results.entries()) {
      if (i % 3 === 0) expect(result).toMatchObject({ status: 'rejected', reason: { outcome: 'unknown' } })
      else expect(result).toEqual({ status: 'fulfilled', value: String(i) })
    }
    core.destroy()
  })

  it('that waits at the server is called back from there: nothing is taken, its connection serves on', async () => {
    await using redis = await startRedis()
    const core = coreOf(redis.port)
    await until(() => core.isReady)
    const { command, promise } = start(core, 'blpop', 'jobs', '0')
    await until(async () => /cmd=blpop/.test(String(await redis.command('CLIENT', 'LIST'))))
    core.cancel(command, reason)
    await expect(promise).rejects.toMatchObject({ name: 'AbortError', outcome: 'rejected' })
    await redis.command('RPUSH', 'jobs', 'a')
    expect(await redis.command('LLEN', 'jobs')).toBe(1)
    await until(() => core.stats('').connections.idle === 1)
    expect(core.stats('').closed).toEqual({})
    core.destroy()
  })

  it('that had just taken an element delivers it instead of losing it', async () => {
    await using redis = await startRedis()
    const core = coreOf(redis.port)
    await until(() => core.isReady)
    for (let round = 0; round < 20; round++) {
      const { command, promise } = start(core, 'blpop', 'jobs', '0')
      await until(async () => /cmd=blpop/.test(String(await redis.command('CLIENT', 'LIST'))))
      const pushed = redis.command('RPUSH', 'jobs', String(round))
      core.cancel(command, reason)
      const [result] = await Promise.allSettled([promise])
      await pushed
      const left = await redis.command('LPOP', 'jobs')
      if (result!.status === 'fulfilled') expect([result!.value, left]).toEqual([['jobs', String(round)], null])
      else expect([result!.reason.outcome, left]).toEqual(['rejected', String(round)])
    }
    core.destroy()
  })

  it('that waits for a lease leaves the queue', async () => {
    await using redis = await startRedis()
    const core = coreOf(redis.port, { maxConnections: 2 })
    await until(() => core.isReady)
    const held = await core.acquire()
    const { command, promise } = start(core, 'blpop', 'jobs', '0')
    core.cancel(command, reason)
    await expect(promise).rejects.toMatchObject({ name: 'AbortError', outcome: 'not-sent' })
    expect(core.stats('').waiters).toBe(0)
    await held.release()
    core.destroy()
  })
})
