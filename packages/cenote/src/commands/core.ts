import type { ResolvedOptions } from '../config/options.js'
import type { CenoteError } from '../errors.js'
import type { Line, LineEvents } from '../node/line.js'
import type { HealthReport, PoolStats } from '../observe/report.js'

/** What a client stands on and what lives and ends with it: a pool, or the one connection of a duplicate. */
export interface Core {
  connect(): void
  /** A connection of its own from the same budget. @param label who uses it */
  openLine(options: ResolvedOptions, events: LineEvents, label: string): Line
  /** Opens the shared connections anew; the old ones have `graceMs` to answer what they owe. */
  reconnect(error: CenoteError, graceMs: number): void
  renewCredentials(): void
  stats(status: string): PoolStats
  health(status: string): Promise<HealthReport>
  /** Refuses new commands, answers what is under way, and after `timeoutMs` rejects the rest. */
  close(timeoutMs: number): Promise<void>
  /** Refuses new commands, writes what was accepted, and ends at the latest after `graceMs`. */
  finish(graceMs: number): void
  destroy(): void
}
