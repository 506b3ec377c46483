import type { RespValue } from './resp.js'
import { type Answer, ScriptedServer, type Session, SILENCE } from './scripted-server.js'

/** One row of CLUSTER SLOTS as the node will tell it; hosts may be null, empty or `?`. */
export interface ToldSlots {
  readonly first: number
  readonly last: number
  /** The primary first. */
  readonly nodes: readonly { readonly host: string | null; readonly port: number; readonly id: string }[]
}

/** A cluster node that tells what it is told to, be it stale, contradictory or garbage. */
export class ScriptedNode extends ScriptedServer {
  /** What CLUSTER SLOTS, SHARDS and NODES say; change it at any time. */
  slots: readonly ToldSlots[]
  epoch = 1
  /** Answers nothing while true; connections are accepted. */
  silent = false

  /** @param reply to everything but the greeting and CLUSTER; undefined leaves it to the healthy part */
  constructor(
    readonly id: string,
    slots: readonly ToldSlots[],
    reply: (command: string[], session: Session) => Answer | Promise<Answer>,
  ) {
    super((command, session) => {
      if (this.silent) return SILENCE
      return command[0]!.toUpperCase() === 'CLUSTER' ? this.#cluster(command) : reply(command, session)
    })
    this.slots = slots
  }

  #cluster(command: readonly string[]): Answer {
    switch (command[1]!.toUpperCase()) {
      case 'SLOTS':
        return this.slots.map(({ first, last, nodes }) => [
          first,
          last,
          ...nodes.map(({ host, port, id }): RespValue => [host, port, id, []]),
        ])
      case 'SHARDS':
        return this.slots.map(({ first, last, nodes }) => shard(first, last, nodes))
      case 'NODES':
        return this.#nodes()
      case 'INFO':
        return `cluster_enabled:1\r\ncluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_known_nodes:2\r\ncluster_size:1\r\ncluster_current_epoch:${this.epoch}\r\n`
      case 'MYID':
        return this.id
      default:
        return new Error(`ERR unknown subcommand '${command[1]}'`)
    }
  }

  #nodes(): string {
    const lines = new Map<string, string>()
    for (const { first, last, nodes } of this.slots) {
      const [primary, ...replicas] = nodes
      const own = lines.get(primary!.id)
      const flags = (id: string, role: string) => (id === this.id ? `myself,${role}` : role)
      const at = (node: { host: string | null; port: number }) =>
        `${node.host ?? ''}:${node.port}@${node.port + 10_000}`
      const head = `${primary!.id} ${at(primary!)} ${flags(primary!.id, 'master')} - 0 0 ${this.epoch} connected`
      lines.set(primary!.id, `${own ?? head} ${first}-${last}`)
      for (const replica of replicas) {
        const text = `${replica.id} ${at(replica)} ${flags(replica.id, 'slave')} ${primary!.id} 0 0 ${this.epoch} connected`
        lines.set(replica.id, text)
      }
    }
    return `${[...lines.values()].join('\n')}\n`
  }
}

function shard(first: number, last: number, nodes: ToldSlots['nodes']): RespValue {
  return new Map<string, RespValue>([
    ['slots', [first, last]],
    [
      'nodes',
      nodes.map(({ host, port, id }, i) => {
        const fields: [string, RespValue][] = [
          ['id', id],
          ['port', port],
          ['ip', host ?? ''],
          ['endpoint', host ?? ''],
          ['role', i === 0 ? 'master' : 'replica'],
          ['replication-offset', 0],
          ['health', 'online'],
        ]
        return new Map(fields)
      }),
    ],
  ])
}

/**
 * Starts a scripted cluster node. With no `slots` it tells that it owns all of them itself.
 * @param reply to everything but the greeting and CLUSTER
 */
export async function scriptedNode(
  reply: (command: string[], session: Session) => Answer | Promise<Answer>,
  slots?: readonly ToldSlots[],
): Promise<ScriptedNode> {
  const id = Array.from({ length: 40 }, () => Math.floor(Math.random() * 16).toString(16)).join('')
  const node = await new ScriptedNode(id, slots ?? [], reply).start()
  if (slots === undefined) node.slots = [{ first: 0, last: 16_383, nodes: [{ host: node.host, port: node.port, id }] }]
  return node
}
