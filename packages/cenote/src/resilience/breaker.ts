import { type BackoffShape, backoffDelay } from './backoff.js'

export type BreakerState = 'closed' | 'open' | 'half-open'

/**
 * Guards dials. Closed: everyone may dial. After a failure it opens: nobody dials until the delay has passed, then a
 * single probe (half-open); its success closes the breaker, its failure opens it for longer. Pure: time comes in.
 */
export class Breaker {
  state: BreakerState = 'closed'
  failures = 0
  /** Time at which the server was first found unreachable; undefined while it is not. */
  openSince: number | undefined
  /** Grows with each failure that counts; tells dials that failed together apart from those that failed in a row. */
  generation = 0
  private retryAt = 0

  constructor(
    private readonly shape: BackoffShape,
    private readonly random: () => number = Math.random,
  ) {}

  /** Ms until a dial may start; 0 for now; Infinity while the probe of another caller is under way. */
  delay(now: number): number {
    if (this.state === 'closed') return 0
    if (this.state === 'half-open') return Number.POSITIVE_INFINITY
    return Math.max(0, this.retryAt - now)
  }

  /** The caller is about to dial; call only when {@link delay} is 0. */
  begin(): void {
    if (this.state === 'open') this.state = 'half-open'
  }

  success(): void {
    this.state = 'closed'
    this.failures = 0
    this.openSince = undefined
  }

  /**
   * @param minimumMs lower bound of the delay, for failures that a quick retry cannot mend
   * @param generation the breaker's generation when the dial began: dials that began together fail as one
   */
  failure(now: number, minimumMs = 0, generation = this.generation): void {
    if (generation !== this.generation && this.state === 'open') return
    this.generation++
    this.failures++
    this.state = 'open'
    this.openSince ??= now
    this.retryAt = now + Math.max(minimumMs, backoffDelay(this.shape, this.failures, this.random))
  }
}
