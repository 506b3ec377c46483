/** Ticks in a row with old replies before work is refused: a pause that ends is no overload. */
const PATIENCE = 10
const LEAST = 16

/**
 * How much work may be outstanding so that what is accepted is answered while its caller still waits. It stays at the
 * maximum until replies come that are half a deadline old, again and again; then it shrinks in proportion, because
 * work that ends after its deadline takes the server's time and helps nobody. Pure: time and ages come in.
 */
export class Admission {
  limit: number
  private late = 0

  /** @param deadlineMs 0 for none: then only the maximum counts */
  constructor(
    private readonly max: number,
    private readonly deadlineMs: number,
  ) {
    this.limit = max
  }

  /**
   * Called at a steady pace while replies come in.
   * @param outstanding commands accepted and not answered
   * @param oldestMs age of the one that is answered next
   */
  observe(outstanding: number, oldestMs: number): void {
    const target = this.deadlineMs / 2
    if (target === 0 || oldestMs <= target) {
      this.late = 0
      if (this.limit < this.max) this.limit = Math.min(this.max, Math.ceil(this.limit * 1.05) + LEAST)
      return
    }
    if (++this.late < PATIENCE) return
    this.late = 0
    this.limit = Math.max(LEAST, Math.floor((Math.min(this.limit, outstanding) * target) / oldestMs))
  }
}
