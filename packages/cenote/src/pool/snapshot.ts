import type { Connection } from '../connection/connection.js'
import type { PoolStats } from '../observe/report.js'
import type { PoolCore } from './pool-core.js'

/** What `stats()` returns: counted on request, from what the parts of the pool know. */
export function takeSnapshot(pool: PoolCore, status: string): PoolStats {
  const { leases, lanes, counters, options, lines, fallback } = pool
  const { dialer, budget } = pool.parts
  const shared = lanes.flatMap((lane) => lane.connection ?? [])
  const own = [...lines].flatMap((line) => line.connection ?? [])
  const lent = [...leases.leased].map((lease) => lease.connection)
  const all = [...shared, ...own, ...leases.idleConnections(), ...lent]
  const dialing = [...lines].reduce((count, line) => count + line.dialing, dialer.dialing)
  const leased = leases.leased.size + own.length
  const leasable = budget.leasable(lanes.length)
  return {
    name: options.name,
    status,
    connections: {
      total: shared.length + leases.open + own.length + dialing,
      lanes: shared.length,
      idle: leases.idleCount,
      leased,
      dialing,
      draining: all.filter((connection) => connection.state === 'draining').length,
      min: options.minConnections,
      max: options.maxConnections,
    },
    waiters: leases.waiters.count,
    utilization: leasable === 0 ? 0 : leased / leasable,
    commands: {
      ok: counters.ok,
      rejected: counters.rejected,
      notSent: counters.notSent,
      unknown: counters.unknown,
      retried: counters.retried,
      inFlight: sum(all, (connection) => connection.inFlight),
      queued: sum(all, (connection) => connection.queued) + lanes.reduce((count, lane) => count + lane.parked.count, 0),
    },
    latency: counters.latency.summary(),
    acquire: { ...counters.acquire.summary(), timeouts: counters.acquireTimeouts },
    dials: {
      attempts: counters.dialAttempts,
      failures: counters.dialFailures,
      lastError: counters.lastDialError,
    },
    closed: { ...counters.closed },
    bytes: {
      read: pool.closedBytesRead + sum(all, (connection) => connection.bytesRead),
      written: pool.closedBytesWritten + sum(all, (connection) => connection.bytesWritten),
    },
    loopLagMs: pool.clock.lagMs,
    breaker: dialer.breaker.state,
    fallback:
      fallback === undefined
        ? undefined
        : { active: fallback.active !== undefined, reason: fallback.active, commands: fallback.commands },
    uptimeMs: performance.now() - pool.createdAt,
  }
}

function sum(connections: readonly Connection[], of: (connection: Connection) => number): number {
  return connections.reduce((total, connection) => total + of(connection), 0)
}
