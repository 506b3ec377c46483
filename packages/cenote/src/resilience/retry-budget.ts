/**
 * Token bucket for retries: each one costs a token, each success earns a tenth of one. In an outage the retries of a
 * whole process are thereby bounded, however many callers there are.
 */
export class RetryBudget {
  private tokens: number

  constructor(private readonly capacity: number) {
    this.tokens = capacity
  }

  /** Takes a token for a retry; false when none is left. */
  take(): boolean {
    if (this.tokens < 1) return false
    this.tokens -= 1
    return true
  }

  /** Credits replies received since the last call. */
  earn(successes: number): void {
    this.tokens = Math.min(this.capacity, this.tokens + successes / 10)
  }

  get available(): number {
    return this.tokens
  }
}
