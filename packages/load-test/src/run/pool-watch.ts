import { Client } from 'undici'

/** The server's pool: status and latency as one worker saw them, counts over all workers where the server adds them up. */
export interface PoolReading {
  readonly atMs: number
  readonly status: string
  /** Round trip of the server's own PING; undefined when it got none. */
  readonly latencyMs: number | undefined
  readonly connections: number
  readonly maxConnections: number
  readonly leased: number
  readonly idle: number
  readonly waiters: number
  /** Leased ÷ may be leased, 0 to 1, of the fullest worker. */
  readonly utilization: number
  /** Callers that gave up waiting for a lease since the service started. */
  readonly acquireTimeouts: number
}

export interface PoolFigures {
  readonly readings: number
  /** Times the server gave no readable answer. */
  readonly unreadable: number
  readonly maxUtilization: number
  readonly maxWaiters: number
  readonly maxConnections: number
  /** Readings with callers waiting while every lease was taken, plus leases given up on during the run. */
  readonly exhausted: number
  readonly last: PoolReading | undefined
}

const EVERY_MS = 1000
const TIMEOUT_MS = 3000
const BODY_LIMIT = 64 * 1024

/**
 * Reads `/health/redis` and `/health/pool` once a second, each time over a new connection: a service with several
 * workers hands those out in turn, so the readings come from all of them.
 */
export class PoolWatch {
  private readonly timer: NodeJS.Timeout
  private pending: Promise<void> | undefined
  private readonly figures = { readings: 0, unreadable: 0, maxUtilization: 0, maxWaiters: 0, maxConnections: 0 }
  private exhaustedReadings = 0
  private timeoutsBefore: number | undefined
  private timeoutsSeen = 0
  /** Of the last second or so; undefined when the server did not answer. */
  last: PoolReading | undefined

  constructor(
    private readonly origin: string,
    private readonly startedAtMs: number,
  ) {
    this.timer = setInterval(() => this.poll(), EVERY_MS)
    this.poll()
  }

  async stop(): Promise<PoolFigures> {
    clearInterval(this.timer)
    await this.pending
    return { ...this.figures, exhausted: this.exhaustedReadings + this.timeoutsSeen, last: this.last }
  }

  private poll(): void {
    this.pending ??= this.read().finally(() => {
      this.pending = undefined
    })
  }

  private async read(): Promise<void> {
    try {
      const [health, totals] = await Promise.all([
        fetchJson(this.origin, '/health/redis'),
        fetchJson(this.origin, '/health/pool').catch(() => undefined),
      ])
      this.note(toReading(health, totals, Date.now() - this.startedAtMs))
    } catch {
      this.figures.unreadable++
      this.last = undefined
    }
  }

  private note(reading: PoolReading): void {
    const { figures } = this
    this.last = reading
    figures.readings++
    figures.maxUtilization = Math.max(figures.maxUtilization, reading.utilization)
    figures.maxWaiters = Math.max(figures.maxWaiters, reading.waiters)
    figures.maxConnections = Math.max(figures.maxConnections, reading.connections)
    if (reading.waiters > 0 && reading.utilization >= 1) this.exhaustedReadings++
    // A worker that was replaced begins at zero again: only growth counts.
    this.timeoutsSeen += Math.max(0, reading.acquireTimeouts - (this.timeoutsBefore ?? reading.acquireTimeouts))
    this.timeoutsBefore = reading.acquireTimeouts
  }
}

async function fetchJson(origin: string, path: string): Promise<unknown> {
  const client = new Client(origin, {
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
    connect: { timeout: TIMEOUT_MS },
    maxResponseSize: BODY_LIMIT,
  })
  try {
    const response = await client.request({ method: 'GET', path, reset: true })
    return await response.body.json()
  } finally {
    await client.destroy()
  }
}

function toReading(health: unknown, pool: unknown, atMs: number): PoolReading {
  const own = record(health)
  const all = record(record(pool).total)
  const counts = all.connections === undefined ? own : all
  const connections = record(counts.connections)
  if (typeof own.status !== 'string' || typeof connections.total !== 'number') throw new Error('no pool figures')
  return {
    atMs,
    status: own.status,
    latencyMs: typeof own.latencyMs === 'number' ? own.latencyMs : undefined,
    connections: count(connections.total),
    maxConnections: count(connections.max),
    leased: count(connections.leased),
    idle: count(connections.idle),
    waiters: count(counts.waiters),
    utilization: count(counts.utilization),
    acquireTimeouts: count(counts.acquireTimeouts),
  }
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function count(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0
}
