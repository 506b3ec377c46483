import { isIP } from 'node:net'
import type { NatMap } from '../../config/nat-map.js'
import type { ResolvedOptions } from '../../config/options.js'
import { Node, type NodeEvents, type Shared } from '../../node/node.js'
import { keyOf } from './view.js'

/** How a server takes part. */
export type Role = 'primary' | 'replica' | 'seed'

/** One server of the cluster, under the name that the cluster has for it. */
export interface Server {
  readonly key: string
  readonly host: string
  readonly port: number
  readonly node: Node
  role: Role
  /** It has had slots. */
  isMember: boolean
  /** Not to be forgotten before then, active time, though it has no slot. */
  wantedUntil: number
}

/** The servers of a cluster that there are connections to, one Node each. */
export class Servers {
  private readonly byKey = new Map<string, Server>()
  private readonly byNode = new Map<Node, Server>()

  constructor(
    private readonly options: ResolvedOptions,
    private readonly shared: Shared,
    private readonly events: NodeEvents,
    private readonly natMap: NatMap | undefined,
  ) {}

  get all(): readonly Server[] {
    return [...this.byKey.values()]
  }

  get nodes(): readonly Node[] {
    return [...this.byNode.keys()]
  }

  get(key: string): Server | undefined {
    return this.byKey.get(key)
  }

  of(node: Node): Server | undefined {
    return this.byNode.get(node)
  }

  /** The server at an address; made, not yet connected, when it is new. */
  ensure(host: string, port: number, role: Role): Server {
    const key = keyOf({ host, port })
    const known = this.byKey.get(key)
    if (known !== undefined) return known
    const node = new Node(this.optionsFor(host, port, role), this.shared, this.events)
    const server: Server = { key, host, port, node, role, isMember: false, wantedUntil: 0 }
    this.byKey.set(key, server)
    this.byNode.set(node, server)
    return server
  }

  private optionsFor(host: string, port: number, role: Role): ResolvedOptions {
    const { options, natMap } = this
    const announced = keyOf({ host, port })
    const mapped = typeof natMap === 'function' ? natMap(announced) : natMap?.[announced]
    const target = mapped ?? { host, port }
    // The certificate is made out to the name that the cluster has for its server, wherever that is reached.
    const named = options.tls !== undefined && isIP(host) === 0 && isIP(target.host) !== 0
    const tls = named ? { servername: host, ...(options.tls === true ? {} : options.tls) } : options.tls
    return { ...options, ...target, path: undefined, db: 0, tls, readOnly: role === 'replica', cluster: undefined }
  }

  /** Forgets a server; whoever calls sees to what its node still has. */
  remove(server: Server): void {
    if (this.byKey.get(server.key) === server) this.byKey.delete(server.key)
    this.byNode.delete(server.node)
  }
}
