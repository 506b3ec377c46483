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
  it('leaves young replies alone, however many they are', () => {
    const admission = new Admission(1_000, 5_000)
    for (let tick = 1; tick <= 100; tick++) admission.observe(tick * 5, 100, 25)
    expect(admission.limit).toBe(1_000)
  })

  it('does not mistake a pause for a slow server, neither during it nor after', () => {
    const admission = new Admission(100_000, 5_000)
    let answered = 0
    const next = () => {
      answered += 2_000
      return answered
    }
    for (let tick = 0; tick < 40; tick++) admission.observe(next(), 5, 25)
    for (let tick = 0; tick < 120; tick++) {
      admission.observe(answered, tick * 25, 25)
      expect(admission.limit).toBe(100_000)
    }
    for (let tick = 0; tick < 40; tick++) admission.observe(next(), 3_000, 25)
    expect(admission.limit).toBe(100_000)
  })

  it('shrinks to what is answered within half a deadline, holds that, and grows back', () => {
    const admission = new Admission(200_000, 5_000)
    // A server that answers 100 commands a second is offered three times as much.
    const queue: number[] = []
    let answered = 0
    const ages: number[] = []
    for (let now = 0; now < 60_000; now += 25) {
      for (let i = 0; i < 7.5; i++) if (queue.length < admission.limit) queue.push(now)
      const done = now % 50 === 0 ? 3 : 2
      for (let i = 0; i < done && queue.length > 0; i++) ages.push(now - queue.shift()!)
      answered += done
      admission.observe(answered, queue.length === 0 ? undefined : now - queue[0]!, 25)
    }
    const late = ages.slice(ages.length / 4).filter((age) => age > 5_000)
    expect(late.length).toBeLessThan(ages.length / 20)
    expect(admission.limit).toBeGreaterThan(100)
    for (let tick = 0; tick < 300; tick++) admission.observe(answered, undefined, 25)
    expect(admission.limit).toBe(200_000)
  })

  it('is out of the way where commands have no deadline', () => {
    const admission = new Admission(1_000, 0)
    for (let tick = 0; tick < 100; tick++) admission.observe(tick, 60_000, 25)
    expect(admission.limit).toBe(1_000)
  })
})
