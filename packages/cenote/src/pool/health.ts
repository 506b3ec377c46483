import type { Connection } from '../connection/connection.js'
import { sendInternal } from '../connection/handshake.js'
import { ConnectionError, ReplyError } from '../errors.js'
import type { HealthReport, HealthStatus, PoolStats } from '../observe/report.js'

/** How long a health check waits for its PING, ms. */
export const HEALTH_TIMEOUT_MS = 1_000

/** Round trip of a PING in ms; undefined when the connection is silent or lost. Any reply, even a refusal, is life. */
export async function probeLatency(connection: Connection, timeoutMs: number): Promise<number | undefined> {
  const startedAt = performance.now()
  let timer: NodeJS.Timeout | undefined
  const silence = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), timeoutMs)
  })
  const reply = sendInternal(connection, 'ping').then(
    () => performance.now() - startedAt,
    (error: unknown) => (error instanceof ReplyError ? performance.now() - startedAt : undefined),
  )
  const latency = await Promise.race([reply, silence])
  clearTimeout(timer)
  return latency
}

/** The active check behind the housekeeper: a silent idle connection is closed before a borrower meets it. */
export async function checkConnections(connections: readonly Connection[]): Promise<void> {
  await Promise.all(
    connections.map(async (connection) => {
      if (connection.state !== 'ready' || connection.inFlight > 0) return
      const latency = await probeLatency(connection, HEALTH_TIMEOUT_MS)
      if (latency === undefined && connection.state === 'ready') {
        connection.close(
          'health-check',
          new ConnectionError(`The health check got no reply within ${HEALTH_TIMEOUT_MS} ms`),
        )
      }
    }),
  )
}

/**
 * Silence is what a connection does whose command waits at the server, so nothing would show that it is dead. The
 * server is asked over another connection whether it still knows it.
 */
export async function checkWaiting(messenger: Connection | undefined, leased: Iterable<LeaseOf>): Promise<void> {
  const waiting = [...leased].map((lease) => lease.connection).filter((c) => c.waitsOnPurpose && c.serverId > 0)
  if (messenger === undefined || waiting.length === 0) return
  const ids = waiting.map(({ serverId }) => String(serverId))
  // Servers before 6.2, and users who may not list clients, leave it to the kernel's keep-alive.
  const list = await sendInternal(messenger, 'client', 'LIST', 'ID', ...ids).catch(() => undefined)
  if (list === undefined) return
  const known = new Set(Array.from(String(list).matchAll(/^id=(\d+) /gm), (match) => Number(match[1])))
  for (const connection of waiting) {
    if (known.has(connection.serverId) || !connection.waitsOnPurpose) continue
    connection.close('health-check', new ConnectionError('The server no longer knows the connection that waited on it'))
  }
}

interface LeaseOf {
  readonly connection: Connection
}

export interface HealthFacts {
  readonly stats: PoolStats
  readonly latencyMs: number | undefined
  readonly lastError: string | undefined
  readonly server: HealthReport['server']
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
  if (status === 'healthy' && reasons.length > 0) status = 'degraded'
  return {
    status,
    reasons,
    latencyMs,
    checkedAt: Date.now(),
    lastError: facts.lastError,
    server: facts.server,
    connections: stats.connections,
    waiters: stats.waiters,
    utilization: stats.utilization,
  }
}
