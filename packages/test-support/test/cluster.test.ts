import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  beginMove,
  type ClusterNode,
  failover,
  hide,
  isolate,
  join,
  keySlot,
  known,
  leakCheckEachTest,
  leave,
  moveSlots,
  promoted,
  RawClient,
  type RedisCluster,
  rawCommand,
  readSlots,
  runningServers,
  startCluster,
  startNode,
  tagFor,
} from '../src/index.js'

leakCheckEachTest({ beforeEach, afterEach })

const over = (node: ClusterNode, ...command: string[]) => rawCommand({ host: node.host, port: node.port }, ...command)
const errorOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    (error: Error) => error.message,
  )

test('a key lies in the slot that the server computes', async () => {
  await using cluster = await startCluster({ primaries: 1, replicasPerPrimary: 1 })
  for (const key of ['', 'a', 'foo', '{user1}.x', 'a{}b', 'a{b', '{{x}}', 'žluť{é}']) {
    expect([key, keySlot(key)]).toEqual([key, await cluster.nodes[0]!.command('CLUSTER', 'KEYSLOT', key)])
  }
})

describe('startCluster', () => {
  test('three primaries with a replica each serve every slot, and nothing is left after stop()', async () => {
    const cluster = await startCluster()
    expect(cluster.primaries.length).toBe(3)
    for (const primary of cluster.primaries) {
      const tag = tagFor((slot) => slot === keySlot(tagOf(cluster, primary)))
      expect(await over(primary, 'SET', `{${tag}}k`, 'v')).toBe('OK')
    }
    await cluster.settled()
    const rows = readSlots(await cluster.nodes[0]!.command('CLUSTER', 'SLOTS'))
    expect(rows.map(({ nodes }) => nodes.length)).toEqual([2, 2, 2])
    for (const primary of cluster.primaries) expect(await cluster.replicaOf(primary).role()).toBe('replica')
    await cluster.stop()
    expect(runningServers()).toEqual([])
  })

  test('names, missing endpoints and passwords are what clients are told and asked for', async () => {
    await using cluster = await startCluster({ primaries: 1, endpoints: 'hostname', password: 'p' })
    const [row] = (await cluster.nodes[0]!.command('CLUSTER', 'SLOTS')) as unknown[][]
    expect(row![2]).toEqual(['node-0.cluster.test', cluster.nodes[0]!.port, cluster.nodes[0]!.id, ['ip', '127.0.0.1']])
    await expect(over(cluster.nodes[0]!, 'PING')).rejects.toThrow(/NOAUTH/)
    await cluster.nodes[0]!.command('CONFIG', 'SET', 'cluster-preferred-endpoint-type', 'unknown-endpoint')
    const [anonymous] = (await cluster.nodes[0]!.command('CLUSTER', 'SLOTS')) as unknown[][]
    expect((anonymous![2] as unknown[])[0]).toBeNull()
  })
})

/** A tag in the middle of what the primary owned at the start. */
function tagOf(cluster: RedisCluster, primary: ClusterNode): string {
  const index = cluster.primaries.indexOf(primary)
  const middle = Math.round(((index + 0.5) * 16_384) / cluster.primaries.length)
  return tagFor((slot) => Math.abs(slot - middle) < 500)
}

describe('a running cluster', () => {
  let cluster: RedisCluster
  let a: ClusterNode
  let b: ClusterNode

  beforeEach(async () => {
    cluster = await startCluster({ gates: true })
    ;[a, b] = cluster.primaries as [ClusterNode, ClusterNode]
  })
  afterEach(() => cluster.stop())

  test('moves a slot key by key: ASK and TRYAGAIN meanwhile, MOVED afterwards, all keys kept', async () => {
    const tag = tagOf(cluster, a)
    const keys = Array.from({ length: 20 }, (_, i) => `{${tag}}:${i}`)
    for (const key of keys) await a.command('SET', key, key)
    const slot = keySlot(keys[0]!)
    const move = await beginMove(cluster, slot, b)
    expect(await move.some(10)).toBe(10)
    const replies = await Promise.all(keys.map((key) => errorOf(over(a, 'GET', key))))
    expect(replies.filter((reply) => reply === `ASK ${slot} ${b.address}`).length).toBe(10)
    expect(await errorOf(over(a, 'MGET', ...keys))).toMatch(/^TRYAGAIN/)
    await move.finish()
    expect(await errorOf(over(a, 'GET', keys[0]!))).toBe(`MOVED ${slot} ${b.address}`)
    for (const key of keys) expect(await over(b, 'GET', key)).toBe(key)
    expect(await cluster.ownerOf(slot)).toBe(b)
  })

  test('moves a thousand slots at once, with their keys', async () => {
    const slots = Array.from({ length: 1_000 }, (_, i) => i)
    const key = `{${tagFor((slot) => slot < 1_000)}}k`
    await a.command('SET', key, 'v')
    await moveSlots(cluster, slots, b)
    await known(cluster, slots, b)
    expect(await over(b, 'GET', key)).toBe('v')
    expect(await cluster.ownerOf(key)).toBe(b)
  })

  test('fails over by hand, and by force', async () => {
    await cluster.settled()
    const [, , c] = cluster.primaries as [ClusterNode, ClusterNode, ClusterNode]
    await failover(cluster.replicaOf(a))
    await failover(cluster.replicaOf(b), 'TAKEOVER')
    await cluster.settled()
    expect(await Promise.all([a.role(), b.role(), c.role()])).toEqual(['replica', 'replica', 'primary'])
  })

  test('a minority side goes on acknowledging for a node-timeout, is replaced, and follows when healed', async () => {
    await cluster.settled()
    const replica = cluster.replicaOf(a)
    const heal = isolate(cluster, [a])
    const key = `{${tagOf(cluster, a)}}k`
    expect(await over(a, 'SET', key, 'written on the minority side')).toBe('OK')
    await promoted(replica)
    expect(await errorOf(over(a, 'SET', key, 'x'))).toMatch(/^CLUSTERDOWN/)
    heal()
    await cluster.settled()
    expect(await a.role()).toBe('replica')
    expect(await over(replica, 'GET', key)).toBeNull()
  })

  test('nodes can be hidden from clients only', async () => {
    const heal = hide(cluster, [a], 'refused')
    await expect(over(a, 'PING')).rejects.toThrow()
    heal()
    expect(await over(a, 'PING')).toBe('PONG')
    const silent = hide(cluster, [a], 'silent')
    const raw = await RawClient.open({ host: a.host, port: a.port })
    const answer = await Promise.race([
      raw.send('PING').catch(() => 'cut'),
      new Promise((resolve) => setTimeout(resolve, 60, 'silence')),
    ])
    expect(answer).toBe('silence')
    raw.close()
    silent()
    await cluster.agreed()
  })

  test('takes a new primary in, gives it slots, and lets it go again', async () => {
    const node = await startNode(cluster)
    await join(cluster, node)
    const slots = Array.from({ length: 50 }, (_, i) => i)
    await moveSlots(cluster, slots, node)
    await known(cluster, slots, node)
    expect(await cluster.ownerOf(0)).toBe(node)
    await moveSlots(cluster, slots, a)
    await known(cluster, slots, a)
    await leave(cluster, node)
    expect(cluster.nodes).not.toContain(node)
    await cluster.agreed()
  })
})

test('a node comes back at another address under its old id, and the others find it', async () => {
  await using cluster = await startCluster({ addresses: 'loopbacks' })
  const [a] = cluster.primaries as [ClusterNode]
  const { host } = a
  await a.restartAt({ host: '127.0.0.77' })
  const sees = async () => String(await cluster.primaries[1]!.command('CLUSTER', 'NODES'))
  while (!(await sees()).includes('127.0.0.77')) await new Promise((resolve) => setTimeout(resolve, 5))
  expect(await sees()).not.toContain(`${host}:`)
})

test('a cluster with TLS has a certificate of its own per node', async () => {
  await using cluster = await startCluster({ primaries: 1, tls: true, endpoints: 'hostname' })
  const { connect } = await import('node:tls')
  const [node] = cluster.nodes as [ClusterNode]
  const names = await new Promise<string>((resolve, reject) => {
    const options = { host: node.host, port: node.port, ca: cluster.ca, servername: 'node-0.cluster.test' }
    const socket = connect(options, () => {
      resolve(String(socket.getPeerCertificate().subjectaltname))
      socket.destroy()
    })
    socket.once('error', reject)
  })
  expect(names).toMatch(/DNS:node-0\.cluster\.test/)
  expect(names).not.toMatch(/node-1/)
})
