/** Called once per tick while the clock runs. Returning true asks it to keep running. */
export interface Ticker {
  tick(activeNow: number): boolean
}

/** How often deadlines and silence are looked at, ms. Bounds how late a deadline can fire. */
export const TICK_MS = 25
/**
 * Lateness of a tick that counts as a blocked event loop, ms. Less is the ordinary turn of a busy process: counting
 * that too would stretch every deadline under load.
 */
const LAG_THRESHOLD_MS = 50

/**
 * One coarse timer for a whole pool, and a clock that stands still while this process could not run.
 *
 * Deadlines and the watchdog use `now`: monotonic time minus the time the event loop was blocked. A loop that
 * was busy for five seconds therefore never blames the server for them. The timer runs only while something is
 * outstanding, so an idle pool costs no wake-ups.
 */
export class LoopClock {
  /** Active time in ms as of the last {@link refresh} or tick. */
  now = performance.now()
  /** Lateness of the most recent tick, ms. */
  lagMs = 0
  private blocked = 0
  private expectedAt = 0
  private timer: NodeJS.Timeout | undefined
  private idleTicks = 0
  private readonly tickers = new Set<Ticker>()

  /**
   * Stands still once the tick is overdue: a command issued at the end of a blocked turn would otherwise start in the
   * future of the corrected clock, and get the blockage on top of its deadline.
   */
  refresh(): number {
    const now = performance.now()
    const limit = this.expectedAt + LAG_THRESHOLD_MS
    this.now = (now > limit && this.timer !== undefined ? limit : now) - this.blocked
    return this.now
  }

  add(ticker: Ticker): void {
    this.tickers.add(ticker)
  }

  remove(ticker: Ticker): void {
    this.tickers.delete(ticker)
    if (this.tickers.size === 0) this.stop()
  }

  /** Called whenever work becomes outstanding; cheap when already running. */
  wake(): void {
    this.idleTicks = 0
    if (this.timer !== undefined) return
    this.expectedAt = performance.now() + TICK_MS
    this.timer = setTimeout(this.onTimer, TICK_MS)
    this.timer.unref()
  }

  stop(): void {
    if (this.timer === undefined) return
    clearTimeout(this.timer)
    this.timer = undefined
  }

  private readonly onTimer = (): void => {
    this.lagMs = this.account()
    // Timers run before sockets are polled: look at deadlines only after the data that waited was read.
    setImmediate(this.onPolled)
  }

  private readonly onPolled = (): void => {
    if (this.timer === undefined) return
    this.lagMs = Math.max(this.lagMs, this.account())
    const now = this.refresh()
    let busy = false
    for (const ticker of this.tickers) busy = ticker.tick(now) || busy
    this.idleTicks = busy ? 0 : this.idleTicks + 1
    if (this.idleTicks > 40) {
      this.timer = undefined
      return
    }
    this.timer.refresh()
  }

  /** Takes the lateness of the current phase out of active time, and expects the next one a tick from now. */
  private account(): number {
    const now = performance.now()
    const late = Math.max(0, now - this.expectedAt)
    if (late > LAG_THRESHOLD_MS) this.blocked += late - LAG_THRESHOLD_MS
    this.expectedAt = now + TICK_MS
    return late
  }
}
