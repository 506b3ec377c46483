import { RawClient, rawCommand, startRedis } from '@cenote/test-support'
import { describe, expect, it } from 'vitest'
import { ioredisCluster } from '../src/topology/clients/ioredis.js'
import { ExecutionLog } from '../src/topology/execution-log.js'
import { topologyScenarios } from '../src/topology/faults/all.js'
import { runTopologyFault } from '../src/topology/measure.js'
import { ServerProbe } from '../src/topology/server-probe.js'

const soon = async (condition: () => boolean) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

it('has every fault that topologies are to survive', () => {
  const numbers = new Set(topologyScenarios.map(({ number }) => number))
  expect([...numbers].sort((a, b) => a - b)).toEqual(Array.from({ length: 38 }, (_, i) => i + 1))
  const names = topologyScenarios.map(({ topology, name }) => `${topology} ${name}`)
  expect(new Set(names).size).toBe(names.length)
})

describe('the log of executions', () => {
  it('keeps what a server ran and threw away, says what ran twice, and leaves out what the test itself asked', async () => {
    await using redis = await startRedis()
    const log = new ExecutionLog(
      () => [redis],
      () => new Set([redis.port]),
    )
    const clients = async () => String(await redis.command('CLIENT', 'LIST'))
    while (!/cmd=monitor/.test(await clients())) await new Promise((resolve) => setTimeout(resolve, 5))
    log.mark()
    const client = await RawClient.open({ port: redis.port })
    await client.send('RPUSH', 'log:{1}', 'push-1')
    await client.send('RPUSH', 'log:{1}', 'push-2')
    await client.send('RPUSH', 'log:{1}', 'push-2')
    await client.send('CLUSTER', 'SLOTS').catch(() => undefined)
    await redis.command('RPUSH', 'log:{1}', 'push-3')
    await client.send('FLUSHALL')
    await client.send('ECHO', 'the last')
    client.close()
    await soon(() => log.heard('the last'))
    log.stop()
    expect([log.ran('push-1'), log.ran('push-2'), log.ran('push-3')]).toEqual([true, true, false])
    expect(log.ranTwice).toBe(1)
  })
})

describe('the probe of servers', () => {
  it('says when a server that was killed takes writes again', async () => {
    await using redis = await startRedis()
    const probe = new ServerProbe()
    probe.watch(redis, 'probe')
    await soon(() => probe.firstServed(redis, 0) !== undefined)
    await redis.kill()
    const since = performance.now()
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(probe.firstServed(redis, since)).toBeUndefined()
    await redis.restart()
    expect(await rawCommand({ port: redis.port }, 'PING')).toBe('PONG')
    await soon(() => probe.firstServed(redis, since) !== undefined)
    await probe.stop()
  })
})

it('measures a client under a fault: nothing hangs, every figure is there', { timeout: 60_000 }, async () => {
  const scenario = topologyScenarios.find(
    ({ name, topology }) => topology === 'cluster' && name === 'failover-by-hand',
  )!
  const result = await runTopologyFault(scenario, 1, ioredisCluster('ioredis', {}))
  expect(result).toMatchObject({ client: 'ioredis', unsettled: { hung: 0 }, lost: { neverRan: 0 } })
  expect(result.calls).toBeGreaterThan(50)
  expect(result.times?.servedMs).toBeGreaterThanOrEqual(0)
  expect(result.audit?.subscription?.received).toBeGreaterThan(0)
})
