import type { EngineTick } from '../engine/types.js'
import { DurationHistogram } from '../measure/histogram.js'
import type { Causes } from '../measure/recorder.js'
import type { PoolReading } from './pool-watch.js'
import type { Second } from './progress.js'

interface Draft {
  readonly latency: DurationHistogram
  readonly causes: Causes
  readonly operations: Record<string, number>
  ok: number
  failed: number
  usersIn: number
  inFlight: number
  waitingForSocket: number
  loopLagMs: number
  threads: number
}

/** Adds up what the threads report each second. A second is complete when every thread has spoken. */
export class Timeline {
  readonly seconds: Second[] = []
  requests = 0
  failed = 0
  private readonly drafts = new Map<number, Draft>()

  constructor(
    private readonly threads: number,
    private readonly pool: () => PoolReading | undefined,
    private readonly onSecond: (second: Second) => void,
  ) {}

  add(tick: EngineTick): void {
    const { interval } = tick
    // By its middle: ticks are a little early or late, and the last one is short.
    const second = Math.max(0, Math.floor((interval.fromMs + interval.toMs) / 2000))
    const draft = this.draft(second)
    const ok = sum(interval.ok)
    const failed = sum(interval.failed)
    draft.ok += ok
    draft.failed += failed
    draft.usersIn += tick.usersIn
    draft.inFlight += tick.inFlight
    draft.waitingForSocket += tick.waitingForSocket
    draft.loopLagMs = Math.max(draft.loopLagMs, tick.loopLagMs)
    draft.latency.add(DurationHistogram.decode(interval.latency))
    addInto(draft.causes, interval.causes)
    addInto(draft.operations, interval.ok)
    this.requests += ok + failed
    this.failed += failed
    if (++draft.threads >= this.threads) this.complete(second, draft)
  }

  /** Closes seconds that some thread never reported on, because it ended first. */
  finish(): readonly Second[] {
    for (const [second, draft] of [...this.drafts].sort(([a], [b]) => a - b)) this.complete(second, draft)
    return this.seconds.sort((a, b) => a.second - b.second)
  }

  private draft(second: number): Draft {
    let draft = this.drafts.get(second)
    if (draft === undefined) {
      const counts = { ok: 0, failed: 0, usersIn: 0, inFlight: 0, waitingForSocket: 0, loopLagMs: 0, threads: 0 }
      draft = { ...counts, latency: new DurationHistogram(2), causes: {}, operations: {} }
      this.drafts.set(second, draft)
    }
    return draft
  }

  private complete(number: number, draft: Draft): void {
    this.drafts.delete(number)
    const { ok, failed, causes, operations, usersIn, inFlight, waitingForSocket, loopLagMs, latency } = draft
    const { p50, p95, p99, max } = latency.summary()
    const second: Second = {
      second: number,
      ok,
      failed,
      causes,
      operations,
      p50Ms: p50,
      p95Ms: p95,
      p99Ms: p99,
      maxMs: max,
      usersIn,
      inFlight,
      waitingForSocket,
      loopLagMs,
      pool: this.pool(),
    }
    this.seconds.push(second)
    this.onSecond(second)
  }
}

export function addInto(target: Record<string, number>, more: Readonly<Record<string, number>>): void {
  for (const [key, count] of Object.entries(more)) target[key] = (target[key] ?? 0) + count
}

export function sum(counts: Readonly<Record<string, number>>): number {
  let total = 0
  for (const count of Object.values(counts)) total += count
  return total
}
