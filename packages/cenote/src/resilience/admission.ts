/** Looks that make up the measured rate; at 25 ms each, a fifth of a second. */
const WINDOW = 8
/**
 * Looks in a row without a reply that end the measurement: the server pauses, and a pause says nothing of its pace.
 * Nothing is concluded while none come, either.
 */
const PAUSE = 10
const LEAST = 16

/**
 * How much work may be outstanding so that what is accepted is answered while its caller still waits. Work that ends
 * after its deadline takes the server's time and helps nobody: without a limit a server that is offered too much ends
 * up doing nothing else. The limit stays at the maximum while replies are young. When they age, it becomes what the
 * server answers in half a deadline, at the pace it shows right now. Pure: counts and ages come in.
 */
export class Admission {
  limit: number
  private readonly replies = new Array<number>(WINDOW).fill(0)
  private looks = 0
  private silent = 0
  private lastAnswered = 0

  /** @param deadlineMs 0 for none: then only the maximum counts */
  constructor(
    private readonly max: number,
    private readonly deadlineMs: number,
  ) {
    this.limit = max
  }

  /**
   * Called at a steady pace.
   * @param answered replies so far
   * @param oldestMs age of the command that is answered next; undefined when nothing is outstanding
   * @param tickMs time between two calls
   */
  observe(answered: number, oldestMs: number | undefined, tickMs: number): void {
    const fresh = answered - this.lastAnswered
    this.lastAnswered = answered
    this.silent = fresh > 0 ? 0 : this.silent + 1
    if (oldestMs === undefined || this.silent > PAUSE || this.deadlineMs === 0) {
      this.looks = 0
      if (oldestMs === undefined) this.relax()
      return
    }
    this.replies[this.looks++ % WINDOW] = fresh
    const target = this.deadlineMs / 2
    if (oldestMs < target / 2) {
      this.relax()
    } else if (this.looks >= WINDOW && fresh > 0) {
      const perTick = this.replies.reduce((sum, count) => sum + count, 0) / WINDOW
      this.limit = Math.min(this.max, Math.max(LEAST, Math.floor((perTick * target) / tickMs)))
    }
  }

  /** Another connection begins, whose replies are counted from none. */
  restart(): void {
    this.looks = 0
    this.silent = 0
    this.lastAnswered = 0
  }

  private relax(): void {
    if (this.limit < this.max) this.limit = Math.min(this.max, Math.ceil(this.limit * 1.05) + LEAST)
  }
}
