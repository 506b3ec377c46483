import type { RedisCluster } from '@cenote/test-support'
import { failover } from '@cenote/test-support'
import type { ClusterScenario, TopologyWorld } from '../scenario.js'

const handOver =
  (how?: 'FORCE' | 'TAKEOVER') =>
  async (world: TopologyWorld, cluster: RedisCluster): Promise<void> => {
    const replica = cluster.replicaOf(cluster.primaries[0]!)
    world.injected()
    await failover(replica, how)
    await world.servedBy(replica.server)
    await world.pause(1_000)
  }

export const handovers: readonly ClusterScenario[] = [
  {
    number: 4,
    topology: 'cluster',
    name: 'failover-by-hand',
    title: 'CLUSTER FAILOVER: the primary waits for its replica before it hands over',
    touches: [0],
    noErrors: true,
    longestWaitMs: 250,
    run: handOver(),
  },
  {
    number: 5,
    topology: 'cluster',
    name: 'failover-forced',
    title: 'CLUSTER FAILOVER FORCE: the replica does not wait for its primary',
    touches: [0],
    mayLose: 'the primary was not asked: what it acknowledged meanwhile is thrown away when it follows',
    run: handOver('FORCE'),
  },
  {
    number: 6,
    topology: 'cluster',
    name: 'takeover',
    title: 'CLUSTER FAILOVER TAKEOVER: for a moment there are two owners',
    touches: [0],
    mayLose: 'two primaries acknowledge until the old one hears of the new; what the old one took is thrown away',
    run: handOver('TAKEOVER'),
  },
  {
    number: 26,
    topology: 'cluster',
    name: 'watch-over-failover',
    title: 'a watched transaction begins at a primary and ends after it was replaced: it must not be applied',
    touches: [0],
    async run(world, cluster) {
      const key = world.load.keys.of('guarded', 0)
      const replica = cluster.replicaOf(cluster.primaries[0]!)
      if (world.client.exclusive === undefined) {
        world.injected()
        await failover(replica)
        await world.servedBy(replica.server)
        return
      }
      await world.client.call('SET', key, 'before')
      let told: unknown = 'nothing'
      const attempt = world.client.exclusive(key, async (connection) => {
        await connection.call('WATCH', key)
        await connection.call('GET', key)
        world.injected()
        await failover(replica)
        await world.servedBy(replica.server)
        await world.client.call('SET', key, 'by somebody else')
        await connection.call('MULTI')
        await connection.call('SET', key, 'overwritten')
        told = await connection.call('EXEC')
      })
      await attempt.catch(() => undefined)
      if (told !== null && told !== 'nothing') world.complain('EXEC was applied although the watched key had changed')
      const held = String(await cluster.ask(key, 'GET', key))
      if (held !== 'by somebody else') world.complain(`the guarded key holds "${held}"`)
    },
  },
]
