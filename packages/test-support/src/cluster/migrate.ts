import type { RawClient } from '../raw-client.js'
import type { ClusterNode } from './cluster-node.js'
import type { RedisCluster } from './redis-cluster.js'
import { waitUntil } from './redis-cluster.js'
import { ownersOf, readSlots } from './views.js'

export interface MigrateOptions {
  /** Keys per MIGRATE. Default 100. */
  readonly batch?: number
  /** Called between batches, while the slot is half here and half there. */
  readonly between?: () => unknown
  /** Nodes told of the new owner besides the two; the others learn it by gossip or by redirection. Default none. */
  readonly tell?: readonly ClusterNode[]
}

/** A slot on its way; ended by {@link SlotMove.finish}. */
export interface SlotMove {
  /** Moves up to so many keys; returns how many were moved. */
  some(count: number): Promise<number>
  /** Moves what is left and hands the slot over. */
  finish(): Promise<void>
}

/** Opens a slot for moving: from now on the source answers ASK for keys it does not hold. */
export async function beginMove(cluster: RedisCluster, slot: number, to: ClusterNode): Promise<SlotMove> {
  const from = await cluster.ownerOf(slot)
  if (from === to) throw new Error(`Slot ${slot} is at ${to.address} already`)
  await to.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id)
  await from.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id)
  const some = async (count: number): Promise<number> => {
    const keys = (await from.command('CLUSTER', 'GETKEYSINSLOT', slot, count)) as string[]
    if (keys.length === 0) return 0
    // Straight to the node, past any gate: it is the servers that talk here.
    const auth = cluster.password === undefined ? [] : ['AUTH', cluster.password]
    const target = [to.server.host, to.server.port, '', 0, 5_000]
    await from.command('MIGRATE', ...target, ...auth, 'KEYS', ...keys)
    return keys.length
  }
  return {
    some,
    finish: async () => {
      while ((await some(100)) > 0);
      // New keys may come until the source gives the slot away; then it refuses, so look again.
      for (;;) {
        await to.command('CLUSTER', 'SETSLOT', slot, 'NODE', to.id)
        const given = await from.command('CLUSTER', 'SETSLOT', slot, 'NODE', to.id).catch((error: Error) => error)
        if (!(given instanceof Error)) return
        if (!/still hold keys/i.test(given.message)) throw given
        while ((await some(100)) > 0);
      }
    },
  }
}

/** Moves a slot key by key while it is in use. 1,000 keys take about 20 ms. */
export async function migrateSlot(
  cluster: RedisCluster,
  slot: number,
  to: ClusterNode,
  options: MigrateOptions = {},
): Promise<void> {
  const move = await beginMove(cluster, slot, to)
  while ((await move.some(options.batch ?? 100)) > 0) await options.between?.()
  await move.finish()
  for (const node of options.tell ?? []) await node.command('CLUSTER', 'SETSLOT', slot, 'NODE', to.id)
}

/**
 * Hands many slots over at once, with their keys, over one connection to each side.
 * @returns when both sides say so; the others learn it by gossip within about a second
 */
export async function moveSlots(cluster: RedisCluster, slots: readonly number[], to: ClusterNode): Promise<void> {
  const owners = await cluster.owners()
  const bySource = new Map<ClusterNode, number[]>()
  for (const slot of slots) {
    const from = cluster.byId(owners[slot] ?? '')
    if (from !== to) bySource.set(from, [...(bySource.get(from) ?? []), slot])
  }
  const target = await to.connect()
  try {
    for (const [from, own] of bySource) {
      const source = await from.connect()
      try {
        await handOver(cluster, own, { node: from, connection: source }, { node: to, connection: target })
      } finally {
        source.close()
      }
    }
  } finally {
    target.close()
  }
}

interface Side {
  readonly node: ClusterNode
  readonly connection: RawClient
}

async function handOver(cluster: RedisCluster, slots: readonly number[], from: Side, to: Side): Promise<void> {
  const all = (side: Side, ...end: (string | number)[]) =>
    Promise.all(slots.map((slot) => side.connection.send('CLUSTER', 'SETSLOT', slot, ...end)))
  await all(to, 'IMPORTING', from.node.id)
  await all(from, 'MIGRATING', to.node.id)
  const counts = await Promise.all(slots.map((slot) => from.connection.send('CLUSTER', 'COUNTKEYSINSLOT', slot)))
  for (const [i, slot] of slots.entries()) {
    if (Number(counts[i]) === 0) continue
    const keys = (await from.connection.send('CLUSTER', 'GETKEYSINSLOT', slot, Number(counts[i]))) as string[]
    const auth = cluster.password === undefined ? [] : ['AUTH', cluster.password]
    const { host, port } = to.node.server
    await from.connection.send('MIGRATE', host, port, '', 0, 5_000, ...auth, 'KEYS', ...keys)
  }
  await all(to, 'NODE', to.node.id)
  await all(from, 'NODE', to.node.id)
}

/** Until every running node knows that `to` owns these slots. */
export async function known(cluster: RedisCluster, slots: readonly number[], to: ClusterNode): Promise<void> {
  await waitUntil(
    `everybody to know that ${to.address} owns ${slots.length} slots`,
    async () => {
      const nodes = await cluster.answering()
      const views = await Promise.all(
        nodes.map(async (node) => ownersOf(readSlots(await node.command('CLUSTER', 'SLOTS')))),
      )
      return views.every((owners) => slots.every((slot) => owners[slot] === to.id))
    },
    10_000,
  )
}
