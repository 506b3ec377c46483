import { performance } from 'node:perf_hooks'
import type { Call } from '../http/call.js'

/** Shorter idle times mean that something was already waiting when the loop asked the kernel. */
const IDLE_MS = 0.05

/**
 * Tells for every reply how long it may have lain in the kernel because this event loop was busy.
 *
 * One unreferenced immediate per turn of the loop (it neither keeps the process alive nor makes the loop spin) reads
 * when the turn ended and how much of it was idle. A reply handled in a turn that had waited idly arrived at the end of
 * that wait; one handled in a turn without a wait may have arrived at any time since the turn before asked the kernel.
 * Settled calls are handed on at the end of their turn with that upper bound.
 */
export class TurnMeter {
  private readonly settled: Call[] = []
  private turnStart: number
  private idleBefore = performance.nodeTiming.idleTime
  /** How long the turn before was busy after asking the kernel. */
  private backlogMs = 0
  private running = true

  constructor(private readonly handOn: (call: Call, clientLoopMs: number) => void) {
    this.turnStart = performance.now()
    setImmediate(this.endTurn).unref()
  }

  add(call: Call): void {
    this.settled.push(call)
  }

  /** Hands on what is left and stops. */
  stop(): void {
    this.running = false
    this.endTurn()
  }

  private readonly endTurn = (): void => {
    const now = performance.now()
    const idleTotal = performance.nodeTiming.idleTime
    const idle = idleTotal - this.idleBefore
    const waited = idle > IDLE_MS
    const busyFrom = waited ? this.turnStart + idle : this.turnStart - this.backlogMs
    for (const call of this.settled) this.handOn(call, Math.max(0, call.settledAt - busyFrom))
    this.settled.length = 0
    this.backlogMs = now - (waited ? this.turnStart + idle : this.turnStart)
    this.turnStart = now
    this.idleBefore = idleTotal
    if (this.running) setImmediate(this.endTurn).unref()
  }
}
