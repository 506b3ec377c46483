import { Cluster, Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  keySlot,
  leakCheckEachTest,
  RawClient,
  rawCommand,
  SILENCE,
  scriptedNode,
  scriptedSentinel,
  startRedis,
} from '../src/index.js'

leakCheckEachTest({ beforeEach, afterEach })

describe('a scripted sentinel', () => {
  test('leads a client to the primary it believes in, and to another when it changes its mind', async () => {
    await using one = await startRedis()
    await using two = await startRedis()
    await one.command('SET', 'who', 'one')
    await two.command('SET', 'who', 'two')
    await using sentinel = await scriptedSentinel({
      mymaster: { primary: one, replicas: [two], sentinels: [], epoch: 1 },
    })
    const client = new Redis({ sentinels: [sentinel], name: 'mymaster' })
    client.on('error', () => undefined)
    expect(await client.get('who')).toBe('one')
    sentinel.beliefs.get('mymaster')!.primary = two
    client.disconnect(true)
    await new Promise((resolve) => client.once('ready', resolve))
    expect(await client.get('who')).toBe('two')
    client.disconnect()
  })

  test('announces, falls silent, and knows only the names it was given', async () => {
    const primary = { host: '127.0.0.1', port: 1 }
    await using sentinel = await scriptedSentinel({ mymaster: { primary, replicas: [], sentinels: [], epoch: 7 } })
    const target = { port: sentinel.port }
    const listener = await RawClient.open(target)
    const heard = new Promise((resolve) => {
      listener.onMessage = (channel, message) => resolve([channel, message])
    })
    await listener.send('PSUBSCRIBE', '+*')
    sentinel.announce('+switch-master', 'mymaster a 1 b 2')
    expect(await heard).toEqual(['+switch-master', 'mymaster a 1 b 2'])
    listener.close()
    expect(await rawCommand(target, 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'other')).toBeNull()
    const info = (await rawCommand(target, 'SENTINEL', 'MASTER', 'mymaster')) as string[]
    expect(info[info.indexOf('config-epoch') + 1]).toBe('7')
    sentinel.silent = true
    const raw = await RawClient.open(target)
    const answer = raw.send('PING').catch(() => 'closed')
    expect(await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 20, 'silence'))])).toBe('silence')
    raw.close()
  })
})

describe('a scripted cluster node', () => {
  test('takes a client in by its slots, and sends it on by MOVED to where it says', async () => {
    const store = new Map<string, string>()
    await using target = await scriptedNode(([name, key, value]) => {
      if (name === 'set') store.set(key!, value!)
      return name === 'set' ? 'OK' : name === 'get' ? (store.get(key!) ?? null) : undefined
    })
    await using node = await scriptedNode(([name, key]) =>
      name === 'set' || name === 'get' ? new Error(`MOVED ${keySlot(key!)} ${target.address}`) : undefined,
    )
    const client = new Cluster([{ host: node.host, port: node.port }])
    client.on('error', () => undefined)
    await client.set('k', 'v')
    expect(await client.get('k')).toBe('v')
    expect(store.get('k')).toBe('v')
    expect(node.count('CLUSTER', 'SLOTS')).toBeGreaterThan(0)
    client.disconnect()
  })

  test('tells SLOTS, SHARDS and NODES alike, in either protocol, and can leave commands without an answer', async () => {
    await using node = await scriptedNode(([name]) => (name === 'get' || name === 'GET' ? SILENCE : undefined))
    const client = await RawClient.open({ port: node.port })
    expect(JSON.stringify(await client.send('HELLO', '3'))).toContain('"proto",3')
    const answer = client.send('GET', 'k').catch(() => 'closed')
    expect(await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 20, 'silence'))])).toBe('silence')
    client.close()
    const target = { port: node.port }
    const [row] = (await rawCommand(target, 'CLUSTER', 'SLOTS')) as unknown[][]
    expect(row).toEqual([0, 16_383, ['127.0.0.1', node.port, node.id, []]])
    expect(await rawCommand(target, 'CLUSTER', 'NODES')).toMatch(`${node.id} 127.0.0.1:${node.port}@`)
    expect(JSON.stringify(await rawCommand(target, 'CLUSTER', 'SHARDS'))).toContain(node.id)
  })
})
