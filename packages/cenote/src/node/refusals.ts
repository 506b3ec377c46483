import type { CenoteError } from '../errors.js'
import { backoffDelay } from '../resilience/backoff.js'

/**
 * After refusals that only others can mend (credentials, settings, the server's limit of clients): soon at first, because
 * a rotated password or a free place is a matter of moments, then ever less often, because the server logs them.
 */
const BACKOFF = { baseDelayMs: 50, factor: 1.5, maxDelayMs: 2_000 }

/** Remembers that the same dial was refused, and when another is worth trying. Pure: time comes in. */
export class Refusals {
  last: CenoteError | undefined
  private count = 0
  private retryAt = 0

  note(error: CenoteError, now: number): void {
    this.last = error
    this.count++
    this.retryAt = now + this.pause
  }

  /** How long the pause after the last one is, ms. */
  get pause(): number {
    return backoffDelay(BACKOFF, this.count, () => 0)
  }

  clear(): void {
    this.last = undefined
    this.count = 0
    this.retryAt = 0
  }

  /** Ms until another dial may start; 0 for now. */
  delay(now: number): number {
    return Math.max(0, this.retryAt - now)
  }
}
