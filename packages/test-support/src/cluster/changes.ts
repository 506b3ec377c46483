import type { ClusterNode } from './cluster-node.js'
import { type RedisCluster, waitUntil } from './redis-cluster.js'
import { isServing } from './views.js'

/**
 * Has a replica take over from its primary, and resolves when it says it is the primary. Without FORCE or TAKEOVER the
 * replica must be known to its primary and linked, see {@link RedisCluster.settled}. Leave 4 s (twice what an election
 * may take) between two elections of one replica: within that time it takes the votes of the first for those of the
 * second, and calls itself the primary at an old epoch.
 */
export async function failover(replica: ClusterNode, how?: 'FORCE' | 'TAKEOVER'): Promise<void> {
  await replica.command('CLUSTER', 'FAILOVER', ...(how === undefined ? [] : [how]))
  await waitUntil(`${replica.address} to be a primary`, async () => (await replica.role()) === 'primary', 10_000)
}

/** Until this replica was promoted by the cluster itself; resolves to how long that took, ms. */
export async function promoted(replica: ClusterNode, limitMs = 30_000): Promise<number> {
  const start = performance.now()
  await waitUntil(`${replica.address} to be promoted`, async () => (await replica.role()) === 'primary', limitMs)
  return performance.now() - start
}

/**
 * Makes a node that is running already a member, as a replica of another or as a primary without slots; that one serves
 * only 2 s after its start.
 */
export async function join(cluster: RedisCluster, node: ClusterNode, replicaOf?: ClusterNode): Promise<void> {
  const [member] = await cluster.answering()
  if (member === undefined) throw new Error('No node of the cluster answers')
  await node.command('CLUSTER', 'MEET', member.host, member.port, member.gates?.bus.port ?? member.busPort)
  cluster.nodes.push(node)
  const knows = async (one: ClusterNode, id: string) => String(await one.command('CLUSTER', 'NODES')).includes(id)
  await waitUntil(
    `${node.address} to be known`,
    async () => (await Promise.all((await cluster.answering()).map((one) => knows(one, node.id)))).every(Boolean),
    20_000,
  )
  if (replicaOf === undefined) {
    const serves = async () => isServing(await node.command('CLUSTER', 'INFO'))
    await waitUntil(`${node.address} to serve`, serves, 20_000)
    return
  }
  await waitUntil(
    `${node.address} to follow ${replicaOf.address}`,
    async () => (await node.command('CLUSTER', 'REPLICATE', replicaOf.id)) === 'OK',
    10_000,
  )
}

/** Has all others forget the node, and ends it. Its slots must have been moved away. */
export async function leave(cluster: RedisCluster, node: ClusterNode): Promise<void> {
  cluster.nodes.splice(cluster.nodes.indexOf(node), 1)
  const others = await cluster.answering()
  await Promise.all(others.map((other) => other.command('CLUSTER', 'FORGET', node.id)))
  await node.stop()
}

/**
 * Cuts these nodes off from the others: bus and replication. Clients reach both sides. Needs gates.
 * @returns heals the partition
 */
export function isolate(cluster: RedisCluster, isolated: readonly ClusterNode[]): () => void {
  const side = new Map(cluster.nodes.map((node) => [node.host, isolated.includes(node)]))
  for (const node of cluster.nodes) {
    if (node.gates === undefined) throw new Error('A partition needs a cluster with gates')
    const own = isolated.includes(node)
    const rule = (from: string) => (side.has(from) && side.get(from) !== own ? 'silent' : 'open')
    node.gates.clients.setRule(rule)
    node.gates.bus.setRule(rule)
  }
  return () => {
    for (const { gates } of cluster.nodes) {
      gates?.clients.setRule(() => 'open')
      gates?.bus.setRule(() => 'open')
    }
  }
}

/**
 * Cuts clients off from these nodes, which go on among themselves. Needs gates.
 * @returns heals the path
 */
export function hide(cluster: RedisCluster, hidden: readonly ClusterNode[], passage: 'silent' | 'refused'): () => void {
  const members = new Set(cluster.nodes.map(({ host }) => host))
  for (const { gates } of hidden) {
    if (gates === undefined) throw new Error('To hide nodes takes a cluster with gates')
    gates.clients.setRule((from) => (members.has(from) ? 'open' : passage))
  }
  return () => {
    for (const { gates } of hidden) gates?.clients.setRule(() => 'open')
  }
}
