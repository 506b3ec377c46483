import { failover, keySlot, migrateSlot } from '@cenote/test-support'
import type { ClusterScenario } from '../scenario.js'

/** Mostly callers who block, on few keys. */
const blocked = [
  { kinds: ['feed' as const], callers: 3, restMs: 60, roams: true },
  { kinds: ['pop' as const], callers: 8, restMs: 2 },
  { kinds: ['pop-for-ever' as const], callers: 8, restMs: 2 },
  { kinds: ['get' as const, 'push' as const], callers: 12, restMs: 10 },
]

export const waiting: readonly ClusterScenario[] = [
  {
    number: 24,
    topology: 'cluster',
    name: 'sharded-channels',
    title: 'slots with sharded channels move to another primary, then that primary fails over',
    touches: [0, 1],
    sharded: true,
    async run(world, cluster) {
      const [from, to] = cluster.primaries
      world.injected()
      for (const tag of world.load.keys.tags.slice(0, 3)) {
        const slot = keySlot(tag)
        if ((await cluster.ownerOf(slot)) === from) await migrateSlot(cluster, slot, to!)
      }
      await world.pause(800)
      await cluster.settled()
      const replica = cluster.replicaOf(to!)
      await failover(replica)
      await world.servedBy(replica.server, { group: 1 })
      await world.pause(800)
    },
  },
  {
    number: 25,
    topology: 'cluster',
    name: 'blocked-while-slot-leaves',
    title: 'callers wait in BLPOP while their slots leave (MOVED), then while the primary is demoted (UNBLOCKED)',
    touches: [0, 1],
    roles: blocked,
    noErrors: true,
    async run(world, cluster) {
      const [from, to] = cluster.primaries
      world.injected()
      for (const [shard, tag] of world.load.keys.tags.entries()) {
        if (shard % 3 === 0 && (await cluster.ownerOf(keySlot(tag))) === from)
          await migrateSlot(cluster, keySlot(tag), to!)
      }
      await world.pause(500)
      await cluster.settled()
      const replica = cluster.replicaOf(to!)
      await failover(replica)
      await world.servedBy(replica.server, { group: 1 })
      await world.pause(1_000)
    },
  },
]
