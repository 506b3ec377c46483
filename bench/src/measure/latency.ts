import type { Percentiles } from '../job.js'

/** Exact samples in one preallocated array; beyond its size the oldest are overwritten. */
export class Latencies {
  private readonly samples: Float64Array
  private count = 0

  constructor(capacity = 1 << 20) {
    this.samples = new Float64Array(capacity)
  }

  get size(): number {
    return Math.min(this.count, this.samples.length)
  }

  /** @param ms time from the call to the settled promise */
  add(ms: number): void {
    this.samples[this.count++ % this.samples.length] = ms
  }

  reset(): void {
    this.count = 0
  }

  /** Nearest rank; undefined without samples. */
  percentiles(): Percentiles | undefined {
    const sorted = this.samples.slice(0, this.size).sort()
    if (sorted.length === 0) return undefined
    const rank = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!
    return { p50: rank(0.5), p95: rank(0.95), p99: rank(0.99) }
  }
}
