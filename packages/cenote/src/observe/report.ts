/** Latency percentiles in milliseconds; all 0 while nothing has been recorded. */
export interface LatencySummary {
  readonly count: number
  readonly mean: number
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly max: number
}

/** How many connections are in which state right now, and the bounds they live in. */
export interface ConnectionCounts {
  /** Every open or opening connection: lanes, leases, subscriptions. Never more than `max`. */
  readonly total: number
  /** Lane connections ready for shared commands. */
  readonly lanes: number
  /** Lease connections waiting for a borrower. */
  readonly idle: number
  /** Lease connections in a borrower's hands, blocking commands and subscriptions included. */
  readonly leased: number
  /** Dials under way. */
  readonly dialing: number
  /** Connections finishing their last replies before they close. */
  readonly draining: number
  readonly min: number
  readonly max: number
}

/** What became of all commands since the pool was made. */
export interface CommandCounts {
  readonly ok: number
  readonly rejected: number
  readonly notSent: number
  readonly unknown: number
  /** Sends beyond the first one. */
  readonly retried: number
  /** Written to a socket, reply outstanding. */
  readonly inFlight: number
  /** Accepted, not yet written (includes those parked while no server is reachable). */
  readonly queued: number
}

/** A plain snapshot; taking one costs microseconds and changes nothing. */
export interface PoolStats {
  readonly name: string
  readonly status: string
  readonly connections: ConnectionCounts
  /** Callers queued for a lease. */
  readonly waiters: number
  /** Leased connections ÷ connections that may be leased, 0 to 1. */
  readonly utilization: number
  readonly commands: CommandCounts
  /** From acceptance by the pool to the settled reply. */
  readonly latency: LatencySummary
  /** Lease borrowing: how long callers waited, and how many gave up. */
  readonly acquire: LatencySummary & { readonly timeouts: number }
  readonly dials: { readonly attempts: number; readonly failures: number; readonly lastError: string | undefined }
  /** Connections closed, by reason. */
  readonly closed: Readonly<Record<string, number>>
  readonly bytes: { readonly read: number; readonly written: number }
  /** Most recently measured lateness of the event loop, ms. */
  readonly loopLagMs: number
  readonly breaker: 'closed' | 'open' | 'half-open'
  /** Use of the `fallback` client; undefined when none was given. */
  readonly fallback:
    | { readonly active: boolean; readonly reason: string | undefined; readonly commands: number }
    | undefined
  readonly uptimeMs: number
}

export type HealthStatus = 'healthy' | 'degraded' | 'unhealthy'

export interface HealthReport {
  readonly status: HealthStatus
  /** Why the status is not `healthy`; empty when it is. */
  readonly reasons: readonly string[]
  /** Round trip of the PING this report made, ms; undefined when it got no answer. */
  readonly latencyMs: number | undefined
  /** Wall-clock time of the check, ms since the epoch. */
  readonly checkedAt: number
  /** Message of the last connection or dial error, without secrets. */
  readonly lastError: string | undefined
  readonly server: { readonly version: string | undefined; readonly role: string | undefined; readonly address: string }
  readonly connections: ConnectionCounts
  readonly waiters: number
  readonly utilization: number
}
