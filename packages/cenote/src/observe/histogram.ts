import type { LatencySummary } from './report.js'

/** Buckets per power of two: relative error below 1/16. */
const SUB_BITS = 4
const SUB_COUNT = 1 << SUB_BITS
/** Values are whole microseconds up to 2^32 (71 minutes). */
const BUCKETS = (32 - SUB_BITS + 1) * SUB_COUNT

function bucketOf(microseconds: number): number {
  if (microseconds < SUB_COUNT) return microseconds
  const shift = 31 - Math.clz32(microseconds) - SUB_BITS
  return ((shift + 1) << SUB_BITS) + ((microseconds >>> shift) & (SUB_COUNT - 1))
}

/** Largest value of a bucket. */
function largestIn(bucket: number): number {
  if (bucket < SUB_COUNT) return bucket
  const shift = (bucket >> SUB_BITS) - 1
  return (SUB_COUNT + (bucket & (SUB_COUNT - 1)) + 1) * 2 ** shift - 1
}

/** Latency histogram with logarithmic buckets: recording is a shift and an increment, memory is fixed at 4 KB. */
export class Histogram {
  count = 0
  private sum = 0
  private maximum = 0
  private readonly buckets = new Float64Array(BUCKETS)

  record(milliseconds: number): void {
    const microseconds = milliseconds <= 0 ? 0 : Math.min(0x7fffffff, Math.round(milliseconds * 1000))
    this.count++
    this.sum += microseconds
    if (microseconds > this.maximum) this.maximum = microseconds
    this.buckets[bucketOf(microseconds)]!++
  }

  /** Of all the given ones together. */
  static sum(histograms: readonly Histogram[]): Histogram {
    if (histograms.length === 1) return histograms[0]!
    const total = new Histogram()
    for (const one of histograms) total.add(one)
    return total
  }

  add(other: Histogram): void {
    this.count += other.count
    this.sum += other.sum
    this.maximum = Math.max(this.maximum, other.maximum)
    for (let i = 0; i < BUCKETS; i++) this.buckets[i]! += other.buckets[i]!
  }

  /** Value below which the given fraction of recordings lies, ms. */
  percentile(fraction: number): number {
    const wanted = Math.ceil(this.count * fraction)
    let seen = 0
    for (let i = 0; i < BUCKETS; i++) {
      seen += this.buckets[i]!
      if (seen >= wanted && seen > 0) return Math.min(largestIn(i), this.maximum) / 1000
    }
    return 0
  }

  summary(): LatencySummary {
    return {
      count: this.count,
      mean: this.count === 0 ? 0 : this.sum / this.count / 1000,
      p50: this.percentile(0.5),
      p95: this.percentile(0.95),
      p99: this.percentile(0.99),
      max: this.maximum / 1000,
    }
  }

  /** Cumulative counts below each bound (ms), as metric exporters want them. */
  cumulative(boundsMs: readonly number[]): number[] {
    const counts = boundsMs.map(() => 0)
    for (let i = 0; i < BUCKETS; i++) {
      const n = this.buckets[i]!
      if (n === 0) continue
      const value = largestIn(i) / 1000
      for (let b = 0; b < boundsMs.length; b++) if (value <= boundsMs[b]!) counts[b]! += n
    }
    return counts
  }
}
