import type { ResolvedOptions } from '../config/options.js'
import type { Command } from '../connection/command.js'
import type { CenoteError } from '../errors.js'
import type { RunOptions } from '../node/exclusive.js'
import type { LeasedConnection } from '../node/leased-connection.js'
import type { AcquireOptions } from '../node/leases.js'
import type { Line, LineEvents } from '../node/line.js'
import type { Node } from '../node/node.js'
import type { Topology } from './topology.js'

/** One server for everything. */
export class Standalone implements Topology {
  readonly nodes: readonly Node[]
  readonly complaints: readonly string[] = []

  constructor(readonly main: Node) {
    this.nodes = [main]
  }

  get isReady(): boolean {
    return this.main.isUp
  }

  get outstanding(): number {
    return this.main.outstanding
  }

  connect(): void {
    this.main.connect()
  }

  send(command: Command): void {
    this.main.send(command)
  }

  sendAll(commands: readonly Command[], unordered: boolean): void {
    if (unordered) this.main.sendUnordered(commands)
    else this.main.sendAll(commands)
  }

  run(commands: readonly Command[], options: RunOptions): void {
    this.main.run(commands, options)
  }

  tryAcquire(options: AcquireOptions | undefined): LeasedConnection | undefined {
    return this.main.tryAcquire(options?.label ?? 'lease')
  }

  acquire(options?: AcquireOptions): Promise<LeasedConnection> {
    return this.main.acquire(options)
  }

  openLine(options: ResolvedOptions, events: LineEvents, label: string): Line {
    return this.main.openLine(options, events, label)
  }

  tick(now: number): boolean {
    return this.main.tick(now)
  }

  latency(timeoutMs: number): Promise<number | undefined> {
    return this.main.latency(timeoutMs)
  }

  describe(): string {
    return String(this.main.address)
  }

  finish(): void {
    this.main.finish()
  }

  destroy(error: CenoteError): void {
    this.main.destroy(error)
  }
}
