import { clearTimeout, monotonic, setImmediate, setTimeout } from '../timers.js'

/** Called once per tick while the clock runs. Returning true asks it to keep running. */
export interface Ticker {
  tick(activeNow: number): boolean
}

/** A moment of active time at which something is to happen. */
export interface Alarm {
  cancel(): void
}

/** How often deadlines and silence are looked at, ms. Bounds how late a deadline can fire. */
export const TICK_MS = 25
/**
 * Lateness of a tick that counts as a blocked event loop, ms. Less is the ordinary turn of a busy process: counting
 * that too would stretch every deadline under load.
 */
const LAG_THRESHOLD_MS = 50
/** How long the worst lateness is remembered, ms. */
const PEAK_MS = 2_000
/** Ticks without anything outstanding after which the timer rests. */
const IDLE_TICKS = 40

/**
 * One coarse timer for a whole pool, and a clock that stands still while this process could not run.
 *
 * Everything that has a limit of time uses `now`: monotonic time minus the time the event loop was blocked. A loop that
 * was busy for five seconds therefore never blames the server for them, whether for a reply, a dial or a probe. The
 * timer runs only while something is outstanding, so an idle pool costs no wake-ups.
 */
export class LoopClock {
  /** Active time in ms as of the last {@link refresh} or tick. */
  now = monotonic()
  /** The same moment with the time in which this process could not run: what happened to a connection meanwhile. */
  real = this.now
  /** Lateness of the most recent tick, ms. */
  lagMs = 0
  /** Worst lateness of the last seconds, ms: what was read then may have arrived so much earlier. */
  peakLagMs = 0
  private peakAt = 0
  private blocked = 0
  private expectedAt = 0
  private timer: NodeJS.Timeout | undefined
  private idleTicks = 0
  private readonly tickers = new Set<Ticker>()
  private readonly alarms = new Set<Bell>()
  /** Alarms that somebody awaits and that therefore keep the process alive. */
  private awaited = 0

  /**
   * Stands still once the tick is overdue: a command issued at the end of a blocked turn would otherwise start in the
   * future of the corrected clock, and get the blockage on top of its deadline.
   */
  refresh(): number {
    const now = monotonic()
    const limit = this.expectedAt + LAG_THRESHOLD_MS
    this.real = now
    this.now = (now > limit && this.timer !== undefined ? limit : now) - this.blocked
    return this.now
  }

  add(ticker: Ticker): void {
    this.tickers.add(ticker)
  }

  remove(ticker: Ticker): void {
    this.tickers.delete(ticker)
    if (this.tickers.size === 0 && this.alarms.size === 0) this.stop()
  }

  /** Called whenever work becomes outstanding; cheap when already running. */
  wake(): void {
    this.idleTicks = 0
    if (this.timer !== undefined) return
    this.expectedAt = monotonic() + TICK_MS
    this.timer = setTimeout(this.onTimer, TICK_MS)
    if (this.awaited === 0) this.timer.unref()
  }

  /**
   * Rings once, `milliseconds` of active time from now, and then only after the data that waited in sockets was read.
   * @param awaited the process stays alive for it
   */
  alarm(milliseconds: number, ring: () => void, awaited = false): Alarm {
    const bell = new Bell(this.refresh() + milliseconds, ring, awaited, this)
    this.alarms.add(bell)
    if (awaited && ++this.awaited === 1) this.timer?.ref()
    this.wake()
    return bell
  }

  /** For {@link Bell}. */
  dismiss(bell: Bell): void {
    if (!this.alarms.delete(bell)) return
    if (bell.awaited && --this.awaited === 0) this.timer?.unref()
    if (this.tickers.size === 0 && this.alarms.size === 0) this.stop()
  }

  private stop(): void {
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
    // Whatever a callback throws on the way: no deadline would ever fire again without the next tick.
    let busy = true
    try {
      busy = this.ring(now)
    } finally {
      this.goOn(busy)
    }
  }

  private ring(now: number): boolean {
    let busy = false
    for (const ticker of [...this.tickers]) busy = ticker.tick(now) || busy
    for (const bell of [...this.alarms]) if (bell.at <= now) bell.ring()
    return busy || this.alarms.size > 0
  }

  private goOn(busy: boolean): void {
    // The last work there was may have ended meanwhile.
    if (this.timer === undefined) return
    this.idleTicks = busy ? 0 : this.idleTicks + 1
    if (this.idleTicks > IDLE_TICKS) this.timer = undefined
    else this.timer.refresh()
  }

  /** Takes the lateness of the current phase out of active time, and expects the next one a tick from now. */
  private account(): number {
    const now = monotonic()
    const late = Math.max(0, now - this.expectedAt)
    if (late > LAG_THRESHOLD_MS) this.blocked += late - LAG_THRESHOLD_MS
    if (late >= this.peakLagMs || now - this.peakAt > PEAK_MS) {
      this.peakLagMs = late
      this.peakAt = now
    }
    this.expectedAt = now + TICK_MS
    return late
  }
}

class Bell implements Alarm {
  constructor(
    readonly at: number,
    private readonly onRing: () => void,
    readonly awaited: boolean,
    private readonly clock: LoopClock,
  ) {}

  ring(): void {
    this.cancel()
    this.onRing()
  }

  cancel(): void {
    this.clock.dismiss(this)
  }
}
