import type { Causes } from '../measure/recorder.js'
import type { PoolReading } from './pool-watch.js'

export type RunPhase = 'login' | 'ramp' | 'steady' | 'logout'

/** One second of the run, over all threads. */
export interface Second {
  /** Number of the second since the start of the run. */
  readonly second: number
  readonly ok: number
  readonly failed: number
  readonly causes: Causes
  /** Successes per operation. */
  readonly operations: Readonly<Record<string, number>>
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  readonly usersIn: number
  readonly inFlight: number
  readonly waitingForSocket: number
  /** Worst lateness of a load tester's event loop in this second. */
  readonly loopLagMs: number
  readonly pool?: PoolReading
}

export interface Progress {
  readonly phase: RunPhase
  /** Since the start of the run. */
  readonly elapsedMs: number
  /** Left of the ramp and steady phase; undefined in the others. */
  readonly remainingMs: number | undefined
  readonly users: number
  readonly last: Second
  /** Of the whole run so far. */
  readonly requests: number
  readonly failed: number
}
