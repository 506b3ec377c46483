import type { LoadModel } from '../engine/types.js'
import type { TimeShares } from '../measure/anatomy.js'
import type { FailureBurst } from '../measure/bursts.js'
import type { Percentiles } from '../measure/histogram.js'
import type { Causes, FailureSample } from '../measure/recorder.js'
import type { LoopFigures } from '../measure/self.js'
import type { Operation, Phase, Weights } from '../operations.js'
import type { PoolFigures } from '../run/pool-watch.js'
import type { RunPhase, Second } from '../run/progress.js'

/** Counts and times of some part of the run; all times in ms. */
export interface Figures {
  readonly requests: number
  readonly ok: number
  readonly failed: number
  /** 0 to 1; 1 when nothing was requested. */
  readonly successRate: number
  /** Successes per second of the phase. */
  readonly perSecond: number
  /** Successes and timeouts, from the intended start. */
  readonly latency: Percentiles
  /** How long failures took to be known. */
  readonly failureLatency: Percentiles
  /** The server's own time of the successes, as far as it reported one. */
  readonly server: Percentiles
  readonly causes: Causes
}

export interface OperationFigures extends Figures {
  readonly phase: Phase
  readonly operation: Operation
}

export interface GeneratorFigures {
  readonly loop: LoopFigures
  /** CPU of the whole process in the steady phase; undefined when that never began. */
  readonly cpu: { readonly cpuMs: number; readonly wallMs: number; readonly perRequestUs: number } | undefined
  /** Replies of the steady phase: waited for the generator's loop at most this long. */
  readonly clientLoop: Percentiles
  /** Requests of the steady phase: waited this long for a socket. */
  readonly socketWait: Percentiles
  /** The average request, and the average of those about as slow as p95. */
  readonly anatomy: { readonly mean: TimeShares; readonly p95: TimeShares }
  /** Upper bound of the load tester's own part in p95, 0 to 1. */
  readonly shareOfP95: number
  /** The load tester itself was the bottleneck: trust no latency here, use more threads or sockets. */
  readonly saturated: boolean
}

export interface Verdict {
  readonly name: string
  readonly limit: number
  readonly actual: number
  readonly bound: 'at least' | 'at most'
  readonly ok: boolean
}

/** What one run found out. Written as JSON; `schema.ts` describes the same shape. */
export interface Result {
  readonly schemaVersion: 1
  readonly scenario: string
  readonly target: string
  readonly startedAt: string
  readonly finishedAt: string
  readonly interrupted: boolean
  readonly passed: boolean
  readonly settings: {
    readonly model: LoadModel
    readonly users: number
    readonly durationMs: number
    readonly rampMs: number
    readonly weights: Weights
    readonly sockets: number
    readonly threads: number
    readonly timeoutMs: number
    readonly loginRate: number
    readonly loginConcurrency: number
  }
  readonly machine: {
    readonly node: string
    readonly platform: string
    readonly cpu: string
    readonly cores: number
  }
  readonly usersLoggedIn: number
  readonly phases: Readonly<Record<RunPhase, number>>
  /** The whole run, logins and logouts included; `perSecond` is over its whole length. */
  readonly total: Figures & { readonly abandoned: number }
  /** What the verdict on latency and throughput is about. */
  readonly steady: Figures
  readonly operations: readonly OperationFigures[]
  readonly bursts: readonly FailureBurst[]
  readonly failureSamples: readonly FailureSample[]
  readonly generator: GeneratorFigures
  readonly pool: PoolFigures
  readonly thresholds: readonly Verdict[]
  readonly timeline: readonly Second[]
}
