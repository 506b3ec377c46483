import type { RawReply } from '../raw-client.js'
import type { ClusterNode } from './cluster-node.js'
import { keySlot, SLOT_COUNT } from './slots.js'
import { isServing, ownersOf, readClaim, readSlots } from './views.js'

const POLL_MS = 5

export async function waitUntil(what: string, condition: () => Promise<boolean>, limitMs: number): Promise<void> {
  const limit = performance.now() + limitMs
  while (!(await condition().catch(() => false))) {
    if (performance.now() > limit) throw new Error(`Waited ${limitMs} ms in vain for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

/** A cluster of one's own. Everything goes with `stop()`, and when this process ends, however that happens. */
export class RedisCluster {
  /** Members, those that are down included: first the primaries of the start, then their replicas. */
  readonly nodes: ClusterNode[]
  readonly nodeTimeoutMs: number
  readonly password: string | undefined
  /** Authority that signed the nodes' certificates. */
  readonly ca: string | undefined
  readonly #primaries: number
  #stopped = false

  constructor(
    nodes: ClusterNode[],
    primaries: number,
    options: { nodeTimeoutMs: number; password: string | undefined; ca: string | undefined },
  ) {
    this.nodes = nodes
    this.#primaries = primaries
    this.nodeTimeoutMs = options.nodeTimeoutMs
    this.password = options.password
    this.ca = options.ca
  }

  /** The primaries of the start, whatever they are now. */
  get primaries(): readonly ClusterNode[] {
    return this.nodes.slice(0, this.#primaries)
  }

  /** The first replica that this primary of the start had, whatever they are now. */
  replicaOf(primary: ClusterNode): ClusterNode {
    const replica = this.nodes[this.#primaries + this.nodes.indexOf(primary)]
    if (replica === undefined) throw new Error(`${primary.address} never had a replica`)
    return replica
  }

  /** Where clients may begin. */
  get seeds(): { host: string; port: number }[] {
    return this.nodes.map(({ host, port }) => ({ host, port }))
  }

  byId(id: string): ClusterNode {
    const node = this.nodes.find((one) => one.id === id)
    if (node === undefined) throw new Error(`No node has the id ${id}`)
    return node
  }

  /** Nodes that run and answer. A frozen one is not asked: it would never answer. */
  async answering(): Promise<ClusterNode[]> {
    const checks = this.nodes.map(async (node) => {
      if (!node.running) return undefined
      return withinTime(node.command('PING'), 200).then(
        () => node,
        () => undefined,
      )
    })
    return (await Promise.all(checks)).filter((node) => node !== undefined)
  }

  /**
   * Who owns each slot, by id: the node that says so of itself, at the highest epoch if several do, as they will agree
   * in the end. Undefined where nobody who answers does.
   */
  async owners(): Promise<(string | undefined)[]> {
    const claims = await Promise.all(
      (await this.answering()).map(async (node) => readClaim(await node.command('CLUSTER', 'NODES'))),
    )
    const owners: (string | undefined)[] = new Array(SLOT_COUNT)
    for (const { id, slots } of claims.sort((a, b) => a.epoch - b.epoch)) for (const slot of slots) owners[slot] = id
    return owners
  }

  /** The node that owns a slot, or the slot of a key. */
  async ownerOf(slotOrKey: number | string): Promise<ClusterNode> {
    const slot = typeof slotOrKey === 'number' ? slotOrKey : keySlot(slotOrKey)
    const id = (await this.owners())[slot]
    if (id === undefined) throw new Error(`Nobody owns slot ${slot}`)
    return this.byId(id)
  }

  /** Asks the owner of the key itself. */
  async ask(key: string, ...command: (string | number | Buffer)[]): Promise<RawReply> {
    return (await this.ownerOf(key)).command(...command)
  }

  /** Until every running node says the cluster serves, and all agree on who owns what. */
  async agreed(limitMs = 20_000): Promise<void> {
    await waitUntil(
      'the nodes to agree',
      async () => {
        const nodes = await this.answering()
        const views = await Promise.all(nodes.map((node) => this.#view(node)))
        return views.every((view) => view !== undefined && view === views[0])
      },
      limitMs,
    )
  }

  /** Until all nodes agree and each primary lists its replicas, linked. Manual failovers need that. */
  async settled(limitMs = 20_000): Promise<void> {
    await this.agreed(limitMs)
    const expected = (await this.answering()).length
    await waitUntil(
      'the replicas to be known and linked',
      async () => {
        const nodes = await this.answering()
        const known = await Promise.all(
          nodes.map(async (node) => {
            const rows = readSlots(await node.command('CLUSTER', 'SLOTS'))
            return new Set(rows.flatMap((row) => row.nodes)).size
          }),
        )
        const linked = await Promise.all(nodes.map((node) => isLinked(node)))
        return known.every((count) => count >= expected) && linked.every(Boolean)
      },
      limitMs,
    )
  }

  async #view(node: ClusterNode): Promise<string | undefined> {
    if (!isServing(await node.command('CLUSTER', 'INFO'))) return undefined
    const owners = ownersOf(readSlots(await node.command('CLUSTER', 'SLOTS')))
    return owners.join()
  }

  /** Ends every process and removes every folder. May be called twice. */
  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    await Promise.all(this.nodes.map((node) => node.stop()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

/** A primary, or a replica whose link to its primary is up. */
async function isLinked(node: ClusterNode): Promise<boolean> {
  const role = (await node.command('ROLE')) as RawReply[]
  return role[0] === 'master' || role[3] === 'connected'
}

async function withinTime<T>(work: Promise<T>, milliseconds: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('late')), milliseconds)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}
