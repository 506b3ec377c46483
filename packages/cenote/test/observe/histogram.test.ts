import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Histogram } from '../../src/observe/histogram.js'

describe('Histogram', () => {
  it('gives percentiles within a sixteenth of the exact ones, for any latencies', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 60_000, noNaN: true }), { minLength: 1, maxLength: 300 }),
        fc.constantFrom(0.5, 0.9, 0.95, 0.99, 1),
        (latencies, fraction) => {
          const histogram = new Histogram()
          for (const latency of latencies) histogram.record(latency)
          const sorted = [...latencies].sort((a, b) => a - b)
          const exact = sorted[Math.ceil(sorted.length * fraction) - 1]!
          const got = histogram.percentile(fraction)
          expect(got).toBeGreaterThanOrEqual(exact * (1 - 1 / 16) - 0.001)
          expect(got).toBeLessThanOrEqual(exact * (1 + 1 / 16) + 0.001)
        },
      ),
    )
  })

  it('is all zero while empty, and survives absurd values', () => {
    const histogram = new Histogram()
    expect(histogram.summary()).toEqual({ count: 0, mean: 0, p50: 0, p95: 0, p99: 0, max: 0 })
    histogram.record(-5)
    histogram.record(1e12)
    expect(histogram.count).toBe(2)
    expect(histogram.percentile(1)).toBeGreaterThan(2_000_000)
  })

  it('counts cumulatively below bounds, as exporters want it', () => {
    const histogram = new Histogram()
    for (const latency of [0.5, 2, 20, 200]) histogram.record(latency)
    expect(histogram.cumulative([1, 5, 50, 500])).toEqual([1, 2, 3, 4])
  })
})
