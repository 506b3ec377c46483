import type { ResolvedOptions } from '../config/options.js'
import type { Command } from '../connection/command.js'
import type { CenoteError } from '../errors.js'
import type { HealthReport, PoolStats } from '../observe/report.js'
import type { LeasedConnection } from '../pool/leased-connection.js'
import type { AcquireOptions } from '../pool/leases.js'
import type { LineHome } from '../pool/private-line.js'

/** What the client surface stands on: a pool, or the one connection of a duplicate. */
export interface ClientCore {
  readonly options: ResolvedOptions
  /** Connections are opened here; duplicates, subscriptions and monitors count against the same budget. */
  readonly home: LineHome
  connect(): void
  send(command: Command): void
  /** Takes whichever shared connection has the least to do. */
  sendUnordered(command: Command): void
  /** Gives the command a connection that it may keep waiting. */
  sendBlocking(command: Command, acquire: AcquireOptions): void
  tryAcquire(options: AcquireOptions | undefined): LeasedConnection | undefined
  acquire(options?: AcquireOptions): Promise<LeasedConnection>
  /** Its caller's signal fired. */
  cancel(command: Command, reason: unknown): void
  renewCredentials(): Promise<void>
  /** Settles a command that is queued or under way. */
  fail(command: Command, error: CenoteError): void
  /** Resolves when everything accepted so far on shared connections was answered. */
  settled(): Promise<void>
  /** Copies of a SELECT for the shared connections that `send` does not reach. */
  useDatabase(database: number): void
  /** The server has accepted the database, or (undefined) refused it. */
  confirmDatabase(database: number | undefined): void
  /** Drops the shared connections and opens them anew. */
  reconnect(error: CenoteError): void
  stats(status: string): PoolStats
  health(status: string): Promise<HealthReport>
  close(timeoutMs: number): Promise<void>
  destroy(): void
}
