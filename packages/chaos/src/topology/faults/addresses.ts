import { failover, type RedisCluster } from '@cenote/test-support'
import { answerFor, stopAnswering } from '../../names.js'
import type { ClusterScenario, TopologyWorld } from '../scenario.js'

const NAMES_ELSEWHERE = { glide: 'it resolves names outside of Node.js' }

/** A redirection shows what the client makes of the addresses in it. */
async function failOverAndMove(world: TopologyWorld, cluster: RedisCluster): Promise<void> {
  const replica = cluster.replicaOf(cluster.primaries[0]!)
  world.injected()
  await failover(replica)
  await world.servedBy(replica.server)
  await world.pause(500)
}

const nodeName = (index: number): string => `node-${index}.cluster.test`

function nameNodes(cluster: RedisCluster): void {
  for (const { hostname, host } of cluster.nodes) if (hostname !== undefined) answerFor(hostname, [host])
}

export const addresses: readonly ClusterScenario[] = [
  {
    number: 12,
    topology: 'cluster',
    name: 'node-returns-elsewhere',
    title: 'a primary is restarted at another address, as the same node with its data',
    servers: { addresses: 'loopbacks', appendOnly: 'always', nodeTimeoutMs: 2_000 },
    touches: [0],
    async run(world, cluster) {
      const [primary] = cluster.primaries
      world.injected()
      await primary!.kill()
      const since = performance.now()
      await primary!.restartAt({ host: '127.0.0.77' })
      await world.servedBy(primary!.server, { since })
      await world.pause(500)
    },
  },
  {
    number: 13,
    topology: 'cluster',
    name: 'all-nodes-elsewhere',
    title: 'every node is restarted at another address; only the name of the seed leads there',
    servers: { addresses: 'loopbacks', appendOnly: 'always' },
    touches: [0, 1, 2],
    notFor: NAMES_ELSEWHERE,
    long: true,
    seeds: (cluster) => [{ host: 'seed.cluster.test', port: cluster.nodes[0]!.port }],
    async prepare(cluster) {
      answerFor('seed.cluster.test', [cluster.nodes[0]!.host])
    },
    cleanUp: stopAnswering,
    async run(world, cluster) {
      world.injected()
      await Promise.all(cluster.nodes.map((node) => node.kill()))
      const since = performance.now()
      for (const [i, node] of cluster.nodes.entries()) await node.restartAt({ host: `127.0.0.${121 + i}` })
      answerFor('seed.cluster.test', [cluster.nodes[0]!.host])
      const [first, ...others] = cluster.nodes
      for (const { host, port, busPort } of others) await first!.command('CLUSTER', 'MEET', host, port, busPort)
      for (const [group, { server }] of cluster.primaries.entries()) await world.servedBy(server, { group, since })
      await world.pause(500)
    },
  },
  {
    number: 21,
    topology: 'cluster',
    name: 'endpoints-unknown',
    title: 'nodes do not say where they are (nil in CLUSTER SLOTS, no host in MOVED), and one fails over',
    servers: { endpoints: 'unknown-endpoint' },
    touches: [0],
    noErrors: true,
    run: failOverAndMove,
  },
  {
    number: 21,
    topology: 'cluster',
    name: 'endpoints-names',
    title: 'nodes call themselves by names, one has none ("?"), and one fails over',
    servers: { endpoints: 'hostname', addresses: 'loopbacks' },
    touches: [0],
    noErrors: true,
    notFor: NAMES_ELSEWHERE,
    async prepare(cluster) {
      nameNodes(cluster)
      await cluster.nodes[5]!.command('CONFIG', 'SET', 'cluster-announce-hostname', '')
    },
    cleanUp: stopAnswering,
    run: failOverAndMove,
  },
  {
    number: 21,
    topology: 'cluster',
    name: 'endpoints-tls',
    title: 'TLS with a certificate per node for its own name, and one fails over',
    servers: { endpoints: 'hostname', addresses: 'loopbacks', tls: true, hostname: nodeName },
    touches: [0],
    noErrors: true,
    notFor: NAMES_ELSEWHERE,
    // An address is in no certificate of a name's; the name must be kept.
    seeds: (cluster) => cluster.nodes.map(({ port }, i) => ({ host: nodeName(i), port })),
    async prepare(cluster) {
      nameNodes(cluster)
    },
    cleanUp: stopAnswering,
    run: failOverAndMove,
  },
]
