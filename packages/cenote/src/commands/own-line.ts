import type { ResolvedOptions } from '../config/options.js'
import { describeEndpoint } from '../connection/connection.js'
import type { CenoteError } from '../errors.js'
import type { Line, LineEvents } from '../node/line.js'
import type { HealthReport, PoolStats } from '../observe/report.js'
import { HEALTH_TIMEOUT_MS, judgeHealth } from '../pool/health.js'
import type { Core } from './core.js'

/** What a duplicate stands on: one connection, of the budget of the client it was made from. */
export class OwnLine implements Core {
  readonly line: Line

  constructor(
    private readonly options: ResolvedOptions,
    private readonly home: Core,
    events: LineEvents,
    private readonly complaints: () => readonly string[],
  ) {
    this.line = home.openLine(options, events, options.connectionName || 'duplicate')
  }

  connect(): void {
    this.line.connect()
  }

  openLine(options: ResolvedOptions, events: LineEvents, label: string): Line {
    return this.home.openLine(options, events, label)
  }

  reconnect(error: CenoteError, graceMs: number): void {
    this.line.replace(error, graceMs)
  }

  renewCredentials(): void {
    this.line.renewCredentials()
  }

  stats(status: string): PoolStats {
    return this.home.stats(status)
  }

  async health(status: string): Promise<HealthReport> {
    const { entry, liveness } = this.line
    const latencyMs = entry === undefined ? undefined : await liveness.latency(entry, HEALTH_TIMEOUT_MS)
    return judgeHealth({
      stats: this.stats(status),
      latencyMs,
      lastError: this.line.lastError,
      server: {
        version: entry?.connection.serverVersion,
        role: entry?.connection.serverRole,
        address: describeEndpoint(this.options),
      },
      complaints: this.complaints(),
    })
  }

  close(timeoutMs: number): Promise<void> {
    return this.line.close(timeoutMs)
  }

  finish(graceMs: number): void {
    this.line.finish(graceMs)
  }

  destroy(): void {
    this.line.destroy()
  }
}
