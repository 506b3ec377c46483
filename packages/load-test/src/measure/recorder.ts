import type { Call } from '../http/call.js'
import { TIMEOUT } from '../http/causes.js'
import type { Operation, Phase } from '../operations.js'
import { Anatomy } from './anatomy.js'
import { addFailure, type FailureBurst } from './bursts.js'
import { DurationHistogram } from './histogram.js'

export type Causes = Record<string, number>

/** What happened between two ticks. Times are ms since the start of the run. */
export interface IntervalDump {
  readonly fromMs: number
  readonly toMs: number
  readonly ok: Readonly<Record<string, number>>
  readonly failed: Readonly<Record<string, number>>
  readonly causes: Causes
  /** Encoded, two significant digits. */
  readonly latency: string
}

/** One operation in one phase, in a form that crosses threads. */
export interface CellDump {
  readonly phase: Phase
  readonly operation: Operation
  readonly ok: number
  readonly causes: Causes
  readonly latency: string
  readonly failureLatency: string
  readonly server: string
}

export interface FailureSample {
  readonly atMs: number
  readonly phase: Phase
  readonly operation: Operation
  readonly cause: string
  readonly detail: string
}

export interface RecorderDump {
  readonly cells: readonly CellDump[]
  readonly anatomy: Float64Array
  readonly bursts: readonly FailureBurst[]
  readonly samples: readonly FailureSample[]
  /** Steady-phase replies: the client's upper bound of its own loop delay, encoded. */
  readonly clientLoop: string
  readonly socketWait: string
}

const SAMPLES = 20

class Cell {
  ok = 0
  readonly causes: Causes = {}
  readonly latency = new DurationHistogram()
  readonly failureLatency = new DurationHistogram()
  readonly server = new DurationHistogram()
}

/**
 * Counts every settled call once.
 *
 * Latency percentiles are over successes and timeouts (at the time they had waited, a lower bound): a stalled server
 * must not look fast because its victims were left out. Quick refusals are kept apart, or they would flatter it too.
 */
export class Recorder {
  private readonly cells = new Map<string, Cell>()
  private readonly anatomy = new Anatomy()
  private readonly clientLoop = new DurationHistogram()
  private readonly socketWait = new DurationHistogram()
  private readonly bursts: FailureBurst[] = []
  private readonly samples: FailureSample[] = []
  private readonly interval = new DurationHistogram(2)
  private ok: Record<string, number> = {}
  private failed: Record<string, number> = {}
  private causes: Causes = {}
  private intervalStart: number

  /** `zero` is the start of the run on this thread's `performance.now()`. */
  constructor(private readonly zero: number) {
    this.intervalStart = performance.now() - zero
  }

  record(call: Call, clientLoopMs: number): void {
    const cell = this.cell(call.phase, call.operation)
    const latency = call.latencyMs
    if (call.cause === undefined) {
      cell.ok++
      this.ok[call.operation] = (this.ok[call.operation] ?? 0) + 1
      if (call.serverMs >= 0) cell.server.record(call.serverMs)
      if (call.phase === 'steady') {
        this.anatomy.record(call, clientLoopMs)
        this.clientLoop.record(clientLoopMs)
        this.socketWait.record(call.sentAt - call.queuedAt)
      }
    } else this.recordFailure(cell, call, call.cause)
    if (call.cause === undefined || call.cause === TIMEOUT) {
      cell.latency.record(latency)
      this.interval.record(latency)
    }
  }

  /** The interval that ends now; the next one starts empty. */
  takeInterval(): IntervalDump {
    const toMs = performance.now() - this.zero
    const { ok, failed, causes } = this
    const dump = { fromMs: this.intervalStart, toMs, ok, failed, causes, latency: this.interval.encode() }
    this.intervalStart = toMs
    this.interval.reset()
    this.ok = {}
    this.failed = {}
    this.causes = {}
    return dump
  }

  dump(): RecorderDump {
    const cells = [...this.cells].map(([key, cell]): CellDump => {
      const [phase, operation] = key.split(' ') as [Phase, Operation]
      return {
        phase,
        operation,
        ok: cell.ok,
        causes: cell.causes,
        latency: cell.latency.encode(),
        failureLatency: cell.failureLatency.encode(),
        server: cell.server.encode(),
      }
    })
    return {
      cells,
      anatomy: this.anatomy.dump(),
      bursts: this.bursts,
      samples: this.samples,
      clientLoop: this.clientLoop.encode(),
      socketWait: this.socketWait.encode(),
    }
  }

  private recordFailure(cell: Cell, call: Call, cause: string): void {
    cell.causes[cause] = (cell.causes[cause] ?? 0) + 1
    cell.failureLatency.record(call.latencyMs)
    this.failed[call.operation] = (this.failed[call.operation] ?? 0) + 1
    this.causes[cause] = (this.causes[cause] ?? 0) + 1
    const atMs = Math.round(call.settledAt - this.zero)
    addFailure(this.bursts, atMs, Math.round(call.intendedAt - this.zero))
    if (this.samples.length < SAMPLES) {
      this.samples.push({ atMs, phase: call.phase, operation: call.operation, cause, detail: describe(call.text()) })
    }
  }

  private cell(phase: Phase, operation: Operation): Cell {
    const key = `${phase} ${operation}`
    let cell = this.cells.get(key)
    if (cell === undefined) {
      cell = new Cell()
      this.cells.set(key, cell)
    }
    return cell
  }
}

/** Of a problem document only what names the problem; a body may quote what was sent. */
function describe(body: string): string {
  try {
    const problem = JSON.parse(body) as Record<string, unknown>
    return ['type', 'title', 'outcome']
      .map((key) => problem[key])
      .filter((value): value is string => typeof value === 'string')
      .join(': ')
      .slice(0, 200)
  } catch {
    return ''
  }
}
