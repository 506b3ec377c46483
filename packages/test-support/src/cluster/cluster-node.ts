import { RawClient, type RawReply } from '../raw-client.js'
import type { RedisServer } from '../redis-server.js'
import type { TcpGate } from '../tcp-gate.js'

/** Before a node stand gates for partitions: one for clients and replication, one for the cluster bus. */
export interface NodeGates {
  readonly clients: TcpGate
  readonly bus: TcpGate
}

/** One server of a cluster. */
export class ClusterNode {
  constructor(
    readonly id: string,
    readonly server: RedisServer,
    readonly busPort: number,
    /** Name it announces, if any. */
    readonly hostname: string | undefined,
    readonly gates: NodeGates | undefined,
  ) {}

  /** Where others find it: its gate, if it has one. */
  get host(): string {
    return this.server.host
  }

  get port(): number {
    return this.gates?.clients.port ?? this.server.port
  }

  get address(): string {
    return `${this.host}:${this.port}`
  }

  get running(): boolean {
    return this.server.running
  }

  /** Asks the node itself, past gates and networks. @throws RawReplyError when it says no */
  command(...args: (string | number | Buffer)[]): Promise<RawReply> {
    return this.server.command(...args)
  }

  /** A connection to the node itself, past gates and networks. */
  connect(): Promise<RawClient> {
    return RawClient.open(this.server.target)
  }

  /** Ends the process (SIGKILL by default); its folder stays. */
  kill(signal?: NodeJS.Signals): Promise<void> {
    return this.server.kill(signal)
  }

  /** Stops the process where it stands: its connections stay open, nothing answers. */
  freeze(): void {
    this.server.pause()
  }

  resume(): void {
    this.server.resume()
  }

  /** Starts it again with what it remembers. */
  restart(): Promise<void> {
    return this.server.restart()
  }

  /** Starts it again as the same node at another address. Cannot be done behind gates. */
  async restartAt(place: { host?: string; port?: number; busPort?: number }): Promise<void> {
    if (this.gates !== undefined) throw new Error('A node behind gates stays where it is')
    await this.server.kill()
    const host = place.host ?? this.server.host
    const config: Record<string, string | number> = {
      'bind-source-addr': host,
      'cluster-announce-ip': host,
      'cluster-port': place.busPort ?? this.busPort,
    }
    this.server.relocate({ host, port: place.port, config })
    await this.server.start()
  }

  /** Ends the process, removes its folder and closes its gates. */
  async stop(): Promise<void> {
    await this.server.stop()
    await this.gates?.clients.close()
    await this.gates?.bus.close()
  }

  /** What it says of itself. */
  async role(): Promise<'primary' | 'replica'> {
    const [role] = (await this.command('ROLE')) as [string]
    return role === 'master' ? 'primary' : 'replica'
  }
}
