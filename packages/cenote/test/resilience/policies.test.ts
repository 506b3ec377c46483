import { describe, expect, it } from 'vitest'
import { Admission } from '../../src/resilience/admission.js'
import { backoffDelay } from '../../src/resilience/backoff.js'
import { Breaker } from '../../src/resilience/breaker.js'
import { RateLimit } from '../../src/resilience/rate-limit.js'
import { RetryBudget } from '../../src/resilience/retry-budget.js'

const shape = { baseDelayMs: 8, factor: 8, maxDelayMs: 512 }

describe('backoff', () => {
  it('grows 8, 64, 512 ms and no further, less up to half by jitter', () => {
    expect([1, 2, 3, 4].map((n) => backoffDelay(shape, n, () => 0))).toEqual([8, 64, 512, 512])
    expect([1, 2, 3].map((n) => backoffDelay(shape, n, () => 1))).toEqual([4, 32, 256])
  })
})

describe('the breaker', () => {
  it('opens at a failure, lets one probe through after its delay, closes at a success', () => {
    const breaker = new Breaker(shape, () => 0)
    expect(breaker.delay(0)).toBe(0)
    breaker.failure(0)
    expect([breaker.state, breaker.delay(0), breaker.delay(8)]).toEqual(['open', 8, 0])
    breaker.begin()
    expect([breaker.state, breaker.delay(1_000)]).toEqual(['half-open', Number.POSITIVE_INFINITY])
    breaker.failure(10)
    expect(breaker.delay(10)).toBe(64)
    breaker.success()
    expect([breaker.state, breaker.delay(10), breaker.openSince]).toEqual(['closed', 0, undefined])
  })

  it('counts dials that failed together as one failure', () => {
    const breaker = new Breaker(shape, () => 0)
    const { generation } = breaker
    for (let i = 0; i < 8; i++) breaker.failure(0, 0, generation)
    expect([breaker.failures, breaker.delay(0)]).toEqual([1, 8])
  })
})

describe('the dial rate', () => {
  it('allows a burst, then so many a second', () => {
    const rate = new RateLimit(10)
    let allowed = 0
    for (let now = 0; now <= 1_000; now += 10) {
      while (rate.delay(now) === 0) {
        rate.spend()
        allowed++
      }
    }
    expect(allowed).toBeGreaterThanOrEqual(19)
    expect(allowed).toBeLessThanOrEqual(20)
    expect(rate.delay(1_000)).toBeGreaterThan(0)
  })
})

describe('the retry budget', () => {
  it('is spent by retries and earned by successes, a tenth each', () => {
    const budget = new RetryBudget(3)
    expect([budget.take(), budget.take(), budget.take(), budget.take()]).toEqual([true, true, true, false])
    budget.earn(10)
    expect([budget.take(), budget.take()]).toEqual([true, false])
    budget.earn(1_000_000)
    expect(budget.available).toBe(3)
  })
})

describe('admission', () => {
  it('leaves bursts and pauses alone', () => {
    const admission = new Admission(1_000, 5_000)
    for (let i = 0; i < 9; i++) admission.observe(1_000, 4_000)
    admission.observe(500, 100)
    for (let i = 0; i < 9; i++) admission.observe(1_000, 4_000)
    expect(admission.limit).toBe(1_000)
  })

  it('shrinks to what is answered within half a deadline, and grows back', () => {
    const admission = new Admission(200_000, 5_000)
    // A server that answers 100 commands a second, offered far more: the age of replies follows the queue.
    let queue = 5_000
    for (let tick = 0; tick < 2_000; tick++) {
      queue = Math.max(0, Math.min(queue - 2.5 + 25, Math.max(queue - 2.5, admission.limit)))
      admission.observe(Math.round(queue), queue * 10)
    }
    expect(queue * 10).toBeLessThan(4_000)
    expect(queue * 10).toBeGreaterThan(1_000)
    for (let tick = 0; tick < 200; tick++) admission.observe(10, 5)
    expect(admission.limit).toBe(200_000)
  })

  it('is out of the way where commands have no deadline', () => {
    const admission = new Admission(1_000, 0)
    for (let i = 0; i < 100; i++) admission.observe(1_000, 60_000)
    expect(admission.limit).toBe(1_000)
  })
})
