import type { ResolvedOptions } from '../config/options.js'
import type { LoopClock } from '../connection/clock.js'
import type { Connection } from '../connection/connection.js'
import type { Node } from '../node/node.js'
import type { Permits } from '../node/permits.js'
import type { PoolStats } from '../observe/report.js'
import { monotonic } from '../timers.js'
import type { Topology } from '../topology/topology.js'

/** Where the figures of a pool are. */
export interface Figures {
  readonly options: ResolvedOptions
  readonly permits: Permits
  readonly clock: LoopClock
  readonly topology: Topology
  readonly createdAt: number
}

/** What `stats()` returns: counted on request, from what the nodes know. */
export function takeSnapshot(pool: Figures, status: string): PoolStats {
  const { options, permits, clock } = pool
  const { main, nodes } = pool.topology
  const all = nodes.flatMap((node) => node.entries.map(({ connection }) => connection))
  const lanes = sum(nodes, (node) => node.lanes.filter((lane) => lane.isUp).length)
  const own = sum(nodes, (node) => [...node.lines].filter((line) => line.entry !== undefined).length)
  const dialing = sum(nodes, (node) => node.dialing)
  const leased = own + sum(nodes, (node) => node.leases.out.size)
  const leasable = permits.leasable(sum(nodes, (node) => node.lanes.length))
  const { counters, fallback } = main
  return {
    name: options.name,
    status,
    connections: {
      total: lanes + own + dialing + sum(nodes, (node) => node.leases.open),
      lanes,
      idle: sum(nodes, (node) => node.leases.idleCount),
      leased,
      dialing,
      draining: all.filter((connection) => connection.state === 'draining').length,
      min: options.minConnections,
      max: permits.max,
    },
    waiters: sum(nodes, (node) => node.leases.waiters.count),
    utilization: leasable === 0 ? 0 : leased / leasable,
    commands: {
      ok: sum(nodes, (node) => node.counters.ok),
      rejected: sum(nodes, (node) => node.counters.rejected),
      notSent: sum(nodes, (node) => node.counters.notSent),
      unknown: sum(nodes, (node) => node.counters.unknown),
      retried: sum(nodes, (node) => node.counters.retried),
      inFlight: sum(all, (connection) => connection.inFlight),
      queued: sum(all, (connection) => connection.queued) + sum(nodes, parkedAt),
    },
    latency: counters.latency.summary(),
    acquire: { ...counters.acquire.summary(), timeouts: sum(nodes, (node) => node.counters.acquireTimeouts) },
    dials: {
      attempts: sum(nodes, (node) => node.counters.dialAttempts),
      failures: sum(nodes, (node) => node.counters.dialFailures),
      lastError: counters.lastDialError,
    },
    closed: { ...counters.closed },
    bytes: {
      read: sum(nodes, (node) => node.closedBytesRead) + sum(all, (connection: Connection) => connection.bytesRead),
      written:
        sum(nodes, (node) => node.closedBytesWritten) + sum(all, (connection: Connection) => connection.bytesWritten),
    },
    loopLagMs: clock.lagMs,
    breaker: main.breakerState,
    fallback:
      fallback === undefined
        ? undefined
        : { active: fallback.active !== undefined, reason: fallback.active, commands: fallback.commands },
    uptimeMs: monotonic() - pool.createdAt,
  }
}

const parkedAt = (node: Node): number =>
  sum(node.lanes, (lane) => lane.parked) + sum([...node.lines], (line) => line.parked)

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0)
}
