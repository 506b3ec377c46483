/** Connections by state, as far as the client behind the service can tell. */
export interface RedisConnections {
  readonly total: number
  readonly max: number
  readonly leased: number
  readonly idle: number
  readonly lanes: number
  readonly dialing: number
}

export interface RedisStats {
  readonly connections: RedisConnections
  readonly waiters: number
  /** Leased connections ÷ connections that may be leased, 0 to 1. */
  readonly utilization: number
  readonly commands: {
    readonly ok: number
    readonly rejected: number
    readonly notSent: number
    readonly unknown: number
    readonly retried: number
    readonly inFlight: number
    readonly queued: number
  }
  /** Callers who waited for a connection in vain: the pool was exhausted. */
  readonly acquireTimeouts: number
  /** Time from command to reply, ms. */
  readonly latency: { readonly mean: number; readonly p50: number; readonly p95: number; readonly p99: number }
  readonly loopLagMs: number
}

export interface RedisHealth {
  readonly status: 'healthy' | 'degraded' | 'unhealthy'
  readonly reasons: readonly string[]
  readonly latencyMs: number | undefined
  readonly lastError: string | undefined
}

/**
 * All the service wants from a Redis client. Small on purpose: whatever can do this can carry the service, so that
 * clients can be compared under the same load.
 */
export interface RedisLike {
  hmget(key: string, ...fields: string[]): Promise<(string | null)[]>
  del(key: string): Promise<number>
  evalsha(sha: string, keyCount: number, ...keysAndArgs: (string | number)[]): Promise<unknown>
  eval(script: string, keyCount: number, ...keysAndArgs: (string | number)[]): Promise<unknown>
  stats(): RedisStats
  /** Never rejects; makes one round trip. */
  health(): Promise<RedisHealth>
  /** Finishes what is in flight, then ends all connections. */
  close(): Promise<void>
}

/** Redis did not do what was asked of it, for a reason that passes: the caller may come again. */
export class RedisUnavailableError extends Error {
  override readonly name = 'RedisUnavailableError'
  constructor(
    /** Whether the command may have run: of a write, then, nobody knows. */
    readonly outcome: 'not-sent' | 'rejected' | 'unknown',
    readonly retryAfterSeconds: number,
    cause: unknown,
  ) {
    super('Redis is not available', { cause })
  }
}

/** Server replies that speak of the server's state, not of a mistake in the command. */
const PASSING =
  /^(LOADING|BUSY|TRYAGAIN|CLUSTERDOWN|MASTERDOWN|READONLY|NOREPLICAS|OOM|MISCONF|NOAUTH|WRONGPASS|ERR max)/

/** Turns a failure of a Redis client, whichever it is, into `RedisUnavailableError`; a faulty command stays what it is. */
export function redisFailure(error: unknown): unknown {
  if (error instanceof RedisUnavailableError) return error
  if (!(error instanceof Error)) return error
  if (error.name === 'ReplyError' && !PASSING.test(error.message)) return error
  if (error instanceof TypeError || error instanceof RangeError) return error
  const { outcome, retryAfterMs } = error as { outcome?: string; retryAfterMs?: number }
  const known = outcome === 'not-sent' || outcome === 'rejected' ? outcome : 'unknown'
  const seconds = Math.max(1, Math.ceil((retryAfterMs ?? 1000) / 1000))
  return new RedisUnavailableError(known, seconds, error)
}
