const TICK_MS = 10

/** How long this process could not run, measured beside the load, so that its own pauses are not held against anybody. */
export class LagMeter {
  blockedMs = 0
  private last = performance.now()
  private readonly timer = setInterval(() => {
    const now = performance.now()
    const late = now - this.last - TICK_MS
    if (late > 5) this.blockedMs += late
    this.last = now
  }, TICK_MS)

  /** Includes a blockage that is not over yet. */
  get now(): number {
    return this.blockedMs + Math.max(0, performance.now() - this.last - TICK_MS)
  }

  stop(): void {
    clearInterval(this.timer)
  }
}
