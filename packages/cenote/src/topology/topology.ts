import type { ResolvedOptions } from '../config/options.js'
import type { Command } from '../connection/command.js'
import type { CenoteError } from '../errors.js'
import type { RunOptions } from '../node/exclusive.js'
import type { LeasedConnection } from '../node/leased-connection.js'
import type { AcquireOptions } from '../node/leases.js'
import type { Line, LineEvents } from '../node/line.js'
import type { Node } from '../node/node.js'

/**
 * Says which server takes what. One server, Sentinel and Cluster look the same from above; what is common to all their
 * servers the pool does by walking over `nodes`.
 */
export interface Topology {
  /** The servers known right now. */
  readonly nodes: readonly Node[]
  /** Whose state stands for the whole, if there is one: the only server, the primary, or any of several. */
  readonly main: Node | undefined
  /** Ordinary commands are served. */
  readonly isReady: boolean
  /** Commands accepted on shared connections, or waiting for one, and not settled. */
  readonly outstanding: number
  connect(): void
  send(command: Command): void
  /** Commands that belong together, admitted or refused as one. */
  sendAll(commands: readonly Command[], unordered: boolean): void
  /** Commands that need a connection to themselves. */
  run(commands: readonly Command[], options: RunOptions): void
  tryAcquire(options: AcquireOptions | undefined): LeasedConnection | undefined
  acquire(options?: AcquireOptions): Promise<LeasedConnection>
  openLine(options: ResolvedOptions, events: LineEvents, label: string): Line
  /** Deadlines and the like; true while there is something to look after. */
  tick(now: number): boolean
  /** Round trip of a PING to what is asked first, ms; undefined when there is none, or no answer in time. */
  latency(timeoutMs: number): Promise<number | undefined>
  /** For the name of the pool in messages. */
  describe(): string
  /** What is amiss between and around the servers, in words; for `health()`. */
  readonly complaints: readonly string[]
  /** Accepts nothing any more; what was accepted is written and may be answered. */
  finish(): void
  destroy(error: CenoteError): void
}
