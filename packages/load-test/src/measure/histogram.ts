import hdr from 'hdr-histogram-js'

/** Percentiles in milliseconds; all 0 while nothing has been recorded. */
export interface Percentiles {
  readonly count: number
  readonly mean: number
  readonly p50: number
  readonly p90: number
  readonly p95: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

const HIGHEST_US = 3_600_000_000
type Digits = 2 | 3

/**
 * An HDR histogram of durations: recorded in milliseconds, kept in whole microseconds.
 * Two significant digits for the figures of one second, three for those of a run.
 */
export class DurationHistogram {
  private inner: hdr.Histogram

  constructor(digits: Digits = 3) {
    this.inner = hdr.build({
      bitBucketSize: 32,
      lowestDiscernibleValue: 1,
      highestTrackableValue: HIGHEST_US,
      numberOfSignificantValueDigits: digits,
      autoResize: false,
    })
  }

  get count(): number {
    return this.inner.totalCount
  }

  record(ms: number): void {
    const us = Math.round(ms * 1000)
    this.inner.recordValue(us < 0 ? 0 : us > HIGHEST_US ? HIGHEST_US : us)
  }

  add(other: DurationHistogram): void {
    this.inner.add(other.inner)
  }

  percentile(p: number): number {
    return this.inner.totalCount === 0 ? 0 : toMs(this.inner.getValueAtPercentile(p))
  }

  summary(): Percentiles {
    if (this.inner.totalCount === 0) return EMPTY
    return {
      count: this.inner.totalCount,
      mean: toMs(this.inner.mean),
      p50: this.percentile(50),
      p90: this.percentile(90),
      p95: this.percentile(95),
      p99: this.percentile(99),
      p999: this.percentile(99.9),
      max: toMs(this.inner.maxValue),
    }
  }

  reset(): void {
    this.inner.reset()
  }

  encode(): string {
    return hdr.encodeIntoCompressedBase64(this.inner)
  }

  static decode(text: string): DurationHistogram {
    const histogram = new DurationHistogram()
    histogram.inner = hdr.decodeFromCompressedBase64(text)
    return histogram
  }
}

const EMPTY: Percentiles = { count: 0, mean: 0, p50: 0, p90: 0, p95: 0, p99: 0, p999: 0, max: 0 }

function toMs(us: number): number {
  return Math.round(us) / 1000
}
