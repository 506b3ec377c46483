/** Exponential growth with jitter. Pure: give `random` to make it predictable. */
export interface BackoffShape {
  readonly baseDelayMs: number
  readonly factor: number
  readonly maxDelayMs: number
}

/**
 * Delay before attempt `n + 1` after `n` failures, ms. Jitter takes up to half away, so that callers that failed
 * together do not come back together, and the longest delay stays what was configured.
 */
export function backoffDelay(shape: BackoffShape, failures: number, random: () => number = Math.random): number {
  const full = Math.min(shape.maxDelayMs, shape.baseDelayMs * shape.factor ** Math.max(0, failures - 1))
  return full * (1 - random() / 2)
}
