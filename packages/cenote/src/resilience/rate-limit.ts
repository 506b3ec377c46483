/** Token bucket over time: `perSecond` events a second, after a burst of at most as many. Pure: time comes in. */
export class RateLimit {
  private tokens: number
  private filledAt: number | undefined

  constructor(private readonly perSecond: number) {
    this.tokens = perSecond
  }

  /** Ms until the next event may happen; 0 for now. */
  delay(now: number): number {
    const elapsed = now - (this.filledAt ?? now)
    this.filledAt = now
    this.tokens = Math.min(this.perSecond, this.tokens + (Math.max(0, elapsed) * this.perSecond) / 1_000)
    return this.tokens >= 1 ? 0 : ((1 - this.tokens) * 1_000) / this.perSecond
  }

  /** An event happens, allowed or not; what was not allowed is paid for by those that follow. */
  spend(): void {
    this.tokens -= 1
  }
}
