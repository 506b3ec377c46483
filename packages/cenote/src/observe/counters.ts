import type { FailureOutcome } from '../errors.js'
import { Histogram } from './histogram.js'

/** Everything a pool counts. Plain fields, touched once per command. */
export class Counters {
  ok = 0
  rejected = 0
  notSent = 0
  unknown = 0
  retried = 0
  acquireTimeouts = 0
  dialAttempts = 0
  dialFailures = 0
  lastDialError: string | undefined
  lastError: string | undefined
  bytesRead = 0
  bytesWritten = 0
  readonly closed: Record<string, number> = {}
  readonly latency = new Histogram()
  readonly acquire = new Histogram()

  onReply(latencyMs: number): void {
    this.ok++
    this.latency.record(latencyMs)
  }

  onFailure(outcome: FailureOutcome): void {
    if (outcome === 'rejected') this.rejected++
    else if (outcome === 'not-sent') this.notSent++
    else this.unknown++
  }

  onClosed(reason: string): void {
    this.closed[reason] = (this.closed[reason] ?? 0) + 1
  }

  /** Takes over the counts of a server that is gone. */
  absorb(other: Counters): void {
    this.ok += other.ok
    this.rejected += other.rejected
    this.notSent += other.notSent
    this.unknown += other.unknown
    this.retried += other.retried
    this.acquireTimeouts += other.acquireTimeouts
    this.dialAttempts += other.dialAttempts
    this.dialFailures += other.dialFailures
    this.bytesRead += other.bytesRead
    this.bytesWritten += other.bytesWritten
    for (const [reason, count] of Object.entries(other.closed)) this.closed[reason] = (this.closed[reason] ?? 0) + count
    this.latency.add(other.latency)
    this.acquire.add(other.acquire)
  }
}
