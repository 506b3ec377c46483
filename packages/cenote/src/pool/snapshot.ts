import type { ResolvedOptions } from '../config/options.js'
import type { LoopClock } from '../connection/clock.js'
import type { Connection } from '../connection/connection.js'
import type { Node } from '../node/node.js'
import type { Permits } from '../node/permits.js'
import type { Counters } from '../observe/counters.js'
import { Histogram } from '../observe/histogram.js'
import type { PoolStats } from '../observe/report.js'
import type { BreakerState } from '../resilience/breaker.js'
import { monotonic } from '../timers.js'
import type { Topology } from '../topology/topology.js'

/** Where the figures of a pool are. */
export interface Figures {
  readonly options: ResolvedOptions
  readonly permits: Permits
  readonly clock: LoopClock
  readonly topology: Topology
  readonly counters: Counters
  readonly createdAt: number
}

/** What `stats()` returns: counted on request, from what the nodes know. */
export function takeSnapshot(pool: Figures, status: string): PoolStats {
  const { options, permits, clock } = pool
  const { nodes } = pool.topology
  const all = nodes.flatMap((node) => node.entries.map(({ connection }) => connection))
  const lanes = sum(nodes, (node) => node.lanes.filter((lane) => lane.isUp).length)
  const own = sum(nodes, (node) => [...node.lines].filter((line) => line.entry !== undefined).length)
  const dialing = sum(nodes, (node) => node.dialing)
  const leased = own + sum(nodes, (node) => node.leases.out.size)
  const leasable = permits.leasable(sum(nodes, (node) => node.lanes.length))
  const counters = [pool.counters, ...nodes.map((node) => node.counters)]
  const fallbacks = nodes.flatMap(({ fallback }) => fallback ?? [])
  const active = fallbacks.find((fallback) => fallback.active !== undefined)
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
      ok: sum(counters, ({ ok }) => ok),
      rejected: sum(counters, ({ rejected }) => rejected),
      notSent: sum(counters, ({ notSent }) => notSent),
      unknown: sum(counters, ({ unknown }) => unknown),
      retried: sum(counters, ({ retried }) => retried),
      inFlight: sum(all, (connection) => connection.inFlight),
      queued: sum(all, (connection) => connection.queued) + sum(nodes, parkedAt),
    },
    latency: Histogram.sum(counters.map(({ latency }) => latency)).summary(),
    acquire: {
      ...Histogram.sum(counters.map(({ acquire }) => acquire)).summary(),
      timeouts: sum(counters, ({ acquireTimeouts }) => acquireTimeouts),
    },
    dials: {
      attempts: sum(counters, ({ dialAttempts }) => dialAttempts),
      failures: sum(counters, ({ dialFailures }) => dialFailures),
      lastError: counters.findLast(({ lastDialError }) => lastDialError !== undefined)?.lastDialError,
    },
    closed: closedByReason(counters),
    bytes: {
      read:
        pool.counters.bytesRead +
        sum(nodes, (node) => node.closedBytesRead) +
        sum(all, (connection: Connection) => connection.bytesRead),
      written:
        pool.counters.bytesWritten +
        sum(nodes, (node) => node.closedBytesWritten) +
        sum(all, (connection: Connection) => connection.bytesWritten),
    },
    loopLagMs: clock.lagMs,
    breaker: breakerOf(nodes),
    fallback:
      options.fallback === undefined
        ? undefined
        : {
            active: active !== undefined,
            reason: active?.active,
            commands: sum(fallbacks, ({ commands }) => commands),
          },
    uptimeMs: monotonic() - pool.createdAt,
  }
}

/** The worst of them. */
function breakerOf(nodes: readonly Node[]): BreakerState {
  const states = new Set(nodes.map(({ breakerState }) => breakerState))
  return states.has('open') ? 'open' : states.has('half-open') ? 'half-open' : 'closed'
}

function closedByReason(counters: readonly Counters[]): Record<string, number> {
  const closed: Record<string, number> = {}
  for (const one of counters)
    for (const [reason, n] of Object.entries(one.closed)) closed[reason] = (closed[reason] ?? 0) + n
  return closed
}

const parkedAt = (node: Node): number =>
  sum(node.lanes, (lane) => lane.parked) + sum([...node.lines], (line) => line.parked)

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0)
}
