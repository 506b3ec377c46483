import type { HealthReport, HealthStatus, PoolStats } from '../observe/report.js'
import { wallClock } from '../timers.js'

/** How long a health check waits for its PING, ms. */
export const HEALTH_TIMEOUT_MS = 1_000

export interface HealthFacts {
  readonly stats: PoolStats
  readonly latencyMs: number | undefined
  readonly lastError: string | undefined
  readonly server: HealthReport['server']
  /** What else is amiss, in words. */
  readonly complaints: readonly string[]
}

/** Slower answers than this make a pool degraded, ms. */
const SLOW_MS = 100
/** Busier leases than this make a pool degraded. */
const BUSY = 0.8
const LAGGING_MS = 250

/** `unhealthy`: commands cannot be served. `degraded`: they are, and something needs a look; reasons say what. */
export function judgeHealth(facts: HealthFacts): HealthReport {
  const { stats, latencyMs } = facts
  const reasons: string[] = []
  let status: HealthStatus = 'healthy'
  if (latencyMs === undefined) {
    status = 'unhealthy'
    reasons.push(
      stats.connections.lanes === 0
        ? `no connection to ${facts.server.address}${facts.lastError === undefined ? '' : `: ${facts.lastError}`}`
        : `${facts.server.address} did not answer PING within ${HEALTH_TIMEOUT_MS} ms`,
    )
  } else if (latencyMs > SLOW_MS) {
    reasons.push(`PING took ${Math.round(latencyMs)} ms`)
  }
  if (stats.breaker !== 'closed' && status !== 'unhealthy') reasons.push('new connections fail; the breaker is open')
  if (stats.fallback?.active === true) reasons.push(`commands go to the fallback client (${stats.fallback.reason})`)
  if (stats.utilization > BUSY) reasons.push(`${Math.round(stats.utilization * 100)} % of the leases are taken`)
  if (stats.waiters > 0) reasons.push(`${stats.waiters} callers wait for a lease`)
  if (stats.loopLagMs > LAGGING_MS)
    reasons.push(`the event loop of this process lags by ${Math.round(stats.loopLagMs)} ms`)
  for (const complaint of facts.complaints) reasons.push(complaint)
  if (status === 'healthy' && reasons.length > 0) status = 'degraded'
  return {
    status,
    reasons,
    latencyMs,
    checkedAt: wallClock(),
    lastError: facts.lastError,
    server: facts.server,
    connections: stats.connections,
    waiters: stats.waiters,
    utilization: stats.utilization,
  }
}
