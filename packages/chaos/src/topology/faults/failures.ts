import type { ClusterNode, RedisCluster } from '@cenote/test-support'
import type { ClusterScenario, TopologyWorld } from '../scenario.js'

const UNREPLICATED = 'a primary acknowledges before its replica has the write; what it had not passed on dies with it'

/** Nothing but silence tells that something is wrong, so it takes the time that silence needs to be noticed. */
const FROZEN_WITHIN_MS = 1_500

const first = (cluster: RedisCluster): { primary: ClusterNode; replica: ClusterNode } => {
  const primary = cluster.primaries[0]!
  return { primary, replica: cluster.replicaOf(primary) }
}

async function killed(world: TopologyWorld, cluster: RedisCluster): Promise<void> {
  const { primary, replica } = first(cluster)
  world.injected()
  await primary.kill()
  await world.servedBy(replica.server)
  await world.pause(500)
}

async function frozen(world: TopologyWorld, cluster: RedisCluster): Promise<void> {
  const { primary, replica } = first(cluster)
  world.injected()
  primary.freeze()
  await world.servedBy(replica.server)
  await world.pause(500)
}

/** Both servers of the first shard go, and come back from their files 3 s later. */
async function shardLost(world: TopologyWorld, cluster: RedisCluster): Promise<void> {
  const { primary, replica } = first(cluster)
  world.injected()
  await Promise.all([primary.kill(), replica.kill()])
  await world.pause(3_000)
  const since = performance.now()
  await Promise.all([primary.restart(), replica.restart()])
  await world.servedBy(primary.server, { since })
}

export const failures: readonly ClusterScenario[] = [
  {
    number: 1,
    topology: 'cluster',
    name: 'primary-killed',
    title: 'a primary is killed (SIGKILL); its replica is promoted (node-timeout 1 s)',
    touches: [0],
    mayLose: UNREPLICATED,
    run: killed,
  },
  {
    number: 1,
    topology: 'cluster',
    name: 'primary-killed-slow',
    title: 'a primary is killed (SIGKILL); its replica is promoted (node-timeout 5 s)',
    servers: { nodeTimeoutMs: 5_000 },
    touches: [0],
    mayLose: UNREPLICATED,
    long: true,
    run: killed,
  },
  {
    number: 2,
    topology: 'cluster',
    name: 'primary-frozen',
    title: 'a primary is frozen for good (SIGSTOP): its connections stay open; its replica is promoted',
    touches: [0],
    servedWithinMs: FROZEN_WITHIN_MS,
    mayLose: UNREPLICATED,
    run: frozen,
  },
  {
    number: 2,
    topology: 'cluster',
    name: 'primary-frozen-no-coverage',
    title: 'the same where other shards serve on meanwhile, so that no refusal hints at a change',
    servers: { config: { 'cluster-require-full-coverage': 'no' } },
    touches: [0],
    servedWithinMs: FROZEN_WITHIN_MS,
    mayLose: UNREPLICATED,
    run: frozen,
  },
  {
    number: 3,
    topology: 'cluster',
    name: 'primary-thawed',
    title: 'a frozen primary goes on 1 s after its replica was promoted, and runs what it had received',
    touches: [0],
    servedWithinMs: FROZEN_WITHIN_MS,
    mayLose: 'a stale primary acknowledges what waited in its sockets before it learns that it was replaced',
    async run(world, cluster) {
      await frozen(world, cluster)
      await world.pause(500)
      cluster.primaries[0]!.resume()
      await world.pause(1_500)
    },
  },
  {
    number: 14,
    topology: 'cluster',
    name: 'full-restart',
    title: 'every node is killed and restarted: CLUSTERDOWN for 2 s',
    servers: { appendOnly: 'always' },
    touches: [0, 1, 2],
    async run(world, cluster) {
      world.injected()
      await Promise.all(cluster.nodes.map((node) => node.kill()))
      await world.pause(300)
      const since = performance.now()
      await Promise.all(cluster.nodes.map((node) => node.restart()))
      for (const [group, { server }] of cluster.primaries.entries()) await world.servedBy(server, { group, since })
    },
  },
  {
    number: 15,
    topology: 'cluster',
    name: 'shard-lost',
    title: 'both servers of a shard are down for 3 s: CLUSTERDOWN everywhere',
    servers: { appendOnly: 'always' },
    touches: [0, 1, 2],
    long: true,
    run: shardLost,
  },
  {
    number: 16,
    topology: 'cluster',
    name: 'shard-lost-no-coverage',
    title: 'both servers of a shard are down for 3 s; the other shards serve on, and nothing hints at a change',
    servers: { appendOnly: 'always', config: { 'cluster-require-full-coverage': 'no' } },
    touches: [0],
    long: true,
    run: shardLost,
  },
  {
    number: 20,
    topology: 'cluster',
    name: 'replica-loading',
    title: 'reads go to replicas; one is killed and comes back LOADING for a second or two',
    servers: {
      appendOnly: 'always',
      config: { 'key-load-delay': 60, 'loading-process-events-interval-bytes': 1024, 'aof-use-rdb-preamble': 'no' },
    },
    readFrom: 'replicas',
    touches: [],
    noErrors: true,
    async prepare(cluster) {
      const { primary } = first(cluster)
      const key = await keyOf(primary)
      await primary.command('EVAL', FILL, '1', key)
    },
    async run(world, cluster) {
      const { replica } = first(cluster)
      world.injected()
      await replica.kill()
      await world.pause(200)
      await replica.restart()
      world.healed()
      await world.pause(1_500)
    },
  },
]

const FILL = "for i = 1, 5000 do redis.call('RPUSH', KEYS[1], string.rep('x', 50)) end"

/** Some key that lies at the node. */
async function keyOf(node: ClusterNode): Promise<string> {
  for (let i = 0; ; i++) {
    const key = `filler:${i}`
    const there = await node.command('EXISTS', key).then(
      () => true,
      () => false,
    )
    if (there) return key
  }
}
