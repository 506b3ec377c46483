import { hide, isolate } from '@cenote/test-support'
import type { ClusterScenario } from '../scenario.js'

export const paths: readonly ClusterScenario[] = [
  {
    number: 17,
    topology: 'cluster',
    name: 'minority',
    title: 'a primary is cut off from the others, not from clients; it acknowledges for one node-timeout',
    servers: { gates: true },
    touches: [0],
    mayLose: 'the isolated primary acknowledges until its node-timeout is over; its side is then thrown away',
    async run(world, cluster) {
      const [primary] = cluster.primaries
      world.injected()
      const heal = isolate(cluster, [primary!])
      await world.servedBy(cluster.replicaOf(primary!).server)
      await world.pause(800)
      heal()
      await world.pause(800)
    },
  },
  {
    number: 18,
    topology: 'cluster',
    name: 'half-unreachable',
    title: 'half of the nodes cannot be reached by the client for 3 s, and do not say so; among themselves all is well',
    servers: { gates: true },
    touches: [0],
    long: true,
    async run(world, cluster) {
      const [a, b, c] = cluster.primaries
      world.injected()
      const heal = hide(cluster, [a!, cluster.replicaOf(b!), cluster.replicaOf(c!)], 'silent')
      await world.pause(3_000)
      heal()
      world.healed()
    },
  },
  {
    number: 18,
    topology: 'cluster',
    name: 'half-refused',
    title: 'half of the nodes refuse the client for 1.5 s; among themselves all is well',
    servers: { gates: true },
    touches: [0],
    async run(world, cluster) {
      const [a, b, c] = cluster.primaries
      world.injected()
      const heal = hide(cluster, [a!, cluster.replicaOf(b!), cluster.replicaOf(c!)], 'refused')
      await world.pause(1_500)
      heal()
      world.healed()
    },
  },
  {
    number: 19,
    topology: 'cluster',
    name: 'connections-cut',
    title: 'the connections of one live primary are cut every 60 ms for 2 s',
    touches: [0],
    async run(world, cluster) {
      const [primary] = cluster.primaries
      world.injected()
      for (let round = 0; round < 32; round++) {
        // By address: connections over the Unix socket are not the client's.
        await primary!.command('CLIENT', 'KILL', 'TYPE', 'normal', 'LADDR', `${primary!.host}:${primary!.server.port}`)
        await world.pause(60)
      }
      world.healed()
    },
  },
]
