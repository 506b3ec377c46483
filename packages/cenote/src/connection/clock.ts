/** Called once per tick while the clock runs. Returning true asks it to keep running. */
export interface Ticker {
  tick(activeNow: number): boolean
}

/** How often deadlines and silence are looked at, ms. Bounds how late a deadline can fire. */
export const TICK_MS = 25
/** Lateness of a tick that counts as a blocked event loop rather than as timer noise, ms. */
const LAG_THRESHOLD_MS = 15

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

  refresh(): number {
    this.now = performance.now() - this.blocked
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
    const late = performance.now() - this.expectedAt
    this.lagMs = Math.max(0, late)
    if (late > LAG_THRESHOLD_MS) this.blocked += late
    // Timers run before sockets are polled: look at deadlines only after the data that waited was read.
    setImmediate(this.onPolled)
  }

  private readonly onPolled = (): void => {
    if (this.timer === undefined) return
    const now = this.refresh()
    let busy = false
    for (const ticker of this.tickers) busy = ticker.tick(now) || busy
    this.idleTicks = busy ? 0 : this.idleTicks + 1
    if (this.idleTicks > 40) {
      this.timer = undefined
      return
    }
    this.expectedAt = performance.now() + TICK_MS
    this.timer.refresh()
  }
}
