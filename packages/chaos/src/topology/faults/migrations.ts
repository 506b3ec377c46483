import {
  type ClusterNode,
  join,
  keySlot,
  known,
  leave,
  migrateSlot,
  moveSlots,
  ownersOf,
  type RedisCluster,
  readSlots,
  startNode,
} from '@cenote/test-support'
import type { KindName } from '../../load/call.js'
import { topologyLoad } from '../../load/roles.js'
import type { ClusterScenario, TopologyWorld } from '../scenario.js'

/** The slots of the load that the first primary owns. */
function hotSlots({ load }: TopologyWorld, cluster: RedisCluster): number[] {
  const groups = cluster.primaries.length
  return load.keys.tags.filter((_, shard) => shard % groups === 0).map(keySlot)
}

/** Moves them key by key, a few keys at a time, with time for the load in between. */
async function migrateHot(world: TopologyWorld, cluster: RedisCluster, to: ClusterNode): Promise<void> {
  for (const slot of hotSlots(world, cluster)) {
    await migrateSlot(cluster, slot, to, { batch: 3, between: () => world.pause(world.random.between(1, 4)) })
  }
}

/** Some of the kinds of the whole load, beside those who borrow, block and listen. */
const mostly = (kinds: readonly KindName[]) => [{ kinds, callers: 36, restMs: 10 }, ...topologyLoad(true).slice(1)]

async function ownedBy(node: ClusterNode): Promise<number[]> {
  const owners = ownersOf(readSlots(await node.command('CLUSTER', 'SLOTS')))
  return owners.flatMap((id, slot) => (id === node.id ? [slot] : []))
}

export const migrations: readonly ClusterScenario[] = [
  {
    number: 7,
    topology: 'cluster',
    name: 'hot-slots-migrated',
    title: 'four slots under load move to another primary, key by key',
    touches: [0],
    noErrors: true,
    async run(world, cluster) {
      world.injected()
      await migrateHot(world, cluster, cluster.primaries[1]!)
      world.healed()
    },
  },
  {
    number: 8,
    topology: 'cluster',
    name: 'several-keys-while-migrating',
    title: 'the same under commands of several keys, transactions and scripts (TRYAGAIN)',
    touches: [0],
    noErrors: true,
    roles: mostly(['multi-key', 'transaction', 'script']),
    async run(world, cluster) {
      world.injected()
      await migrateHot(world, cluster, cluster.primaries[1]!)
      world.healed()
    },
  },
  {
    number: 9,
    topology: 'cluster',
    name: 'hundred-slots-under-pipelines',
    title: 'a hundred slots, the busy ones among them, move while pipelines run',
    touches: [0],
    noErrors: true,
    roles: mostly(['pipeline', 'transaction', 'get']),
    async run(world, cluster) {
      const hot = hotSlots(world, cluster)
      const more = (await ownedBy(cluster.primaries[0]!)).filter((slot) => !hot.includes(slot)).slice(0, 96)
      world.injected()
      await moveSlots(cluster, more, cluster.primaries[1]!)
      await migrateHot(world, cluster, cluster.primaries[1]!)
      world.healed()
    },
  },
  {
    number: 9,
    topology: 'cluster',
    name: 'twenty-hot-slots',
    title: 'twenty slots under pipelines and transactions move to another primary, key by key',
    touches: [0],
    noErrors: true,
    tagsPerPrimary: 20,
    long: true,
    roles: [{ kinds: ['pipeline', 'transaction'], callers: 60, restMs: 10 }],
    async run(world, cluster) {
      world.injected()
      await migrateHot(world, cluster, cluster.primaries[1]!)
      world.healed()
    },
  },
  {
    number: 10,
    topology: 'cluster',
    name: 'primary-joins',
    title: 'a new primary joins and is given the busy slots: ASK leads to a node nobody knew',
    touches: [0],
    noErrors: true,
    async run(world, cluster) {
      const node = await startNode(cluster)
      world.injected()
      await join(cluster, node)
      await migrateHot(world, cluster, node)
      world.healed()
    },
  },
  {
    number: 11,
    topology: 'cluster',
    name: 'primary-leaves',
    title: 'a primary gives all its slots away, is forgotten and stopped, with its replica',
    touches: [0],
    noErrors: true,
    async run(world, cluster) {
      const [leaving, one, two] = cluster.primaries as [ClusterNode, ClusterNode, ClusterNode]
      const replica = cluster.replicaOf(leaving)
      const slots = await ownedBy(leaving)
      const half = Math.ceil(slots.length / 2)
      world.injected()
      await moveSlots(cluster, slots.slice(0, half), one)
      await moveSlots(cluster, slots.slice(half), two)
      await known(cluster, slots.slice(0, half), one)
      await known(cluster, slots.slice(half), two)
      world.healed()
      await leave(cluster, replica)
      await leave(cluster, leaving)
      await world.pause(500)
    },
  },
  {
    number: 27,
    topology: 'cluster',
    name: 'thousand-slots-at-once',
    title: 'a thousand slots move at once: how often is the map asked for?',
    touches: [0],
    noErrors: true,
    mostRefreshes: 5,
    tagsPerPrimary: 20,
    async run(world, cluster) {
      const hot = hotSlots(world, cluster)
      const more = (await ownedBy(cluster.primaries[0]!))
        .filter((slot) => !hot.includes(slot))
        .slice(0, 1_000 - hot.length)
      world.injected()
      await moveSlots(cluster, [...hot, ...more], cluster.primaries[1]!)
      world.healed()
      await world.pause(1_500)
    },
  },
]
