import { afterEach, describe, expect, it } from 'vitest'
import { Call } from '../src/http/call.js'
import { causeOfError } from '../src/http/causes.js'
import { Transport } from '../src/http/transport.js'
import { Anatomy } from '../src/measure/anatomy.js'
import { addFailure, type FailureBurst, mergeBursts } from '../src/measure/bursts.js'
import { DurationHistogram } from '../src/measure/histogram.js'
import { TurnMeter } from '../src/measure/turns.js'
import { send } from './fake-auth-server.js'
import { fakeServer } from './support.js'

const HEALTH = { method: 'GET', path: '/health', headers: [] } as const

describe('the client’s own part of a latency', () => {
  const open: { close(): Promise<void> }[] = []
  afterEach(async () => {
    await Promise.all(open.splice(0).map((one) => one.close()))
  })

  /** Sends a request over a connection that is already there; gives latency and the bound of the loop's part. */
  async function measure(url: string, path: string) {
    const transport = new Transport({ origin: url, sockets: 1, timeoutMs: 5000 })
    open.push(transport)
    let meter: TurnMeter | undefined
    const sendOne = () =>
      new Promise<{ latency: number; loop: number; serverMs: number }>((resolve) => {
        meter = new TurnMeter((call, loop) => resolve({ latency: call.latencyMs, loop, serverMs: call.serverMs }))
        const call = new Call('me', 'steady', { ...HEALTH, headers: [], path }, performance.now(), (settled) =>
          meter!.add(settled),
        )
        transport.send(call)
      })
    await sendOne()
    meter!.stop()
    const measured = await sendOne()
    meter!.stop()
    return measured
  }

  it('is nearly all of it when the load tester’s event loop was busy', async () => {
    const server = await fakeServer()
    server.before = (_, response) => {
      send(response, 200, {})
      // The reply is on its way; server and client share this loop, which now looks at nothing for a while.
      const until = performance.now() + 120
      while (performance.now() < until);
      return true
    }
    const { latency, loop } = await measure(server.url, '/auth/me')
    expect(latency).toBeGreaterThan(100)
    expect(loop).toBeGreaterThan(latency * 0.8)
  })

  it('is little when the server took its time, and the server says so itself', async () => {
    const server = await fakeServer()
    server.delayMs = 150
    const { latency, loop, serverMs } = await measure(server.url, '/auth/logout')
    expect(latency).toBeGreaterThan(140)
    expect(serverMs).toBeGreaterThan(140)
    expect(loop).toBeLessThan(latency / 2)
  })
})

describe('the anatomy of latencies', () => {
  function settled(intendedAt: number, queuedAt: number, sentAt: number, settledAt: number, serverMs: number): Call {
    const call = new Call('me', 'steady', { ...HEALTH, headers: [] }, intendedAt, () => undefined)
    return Object.assign(call, { queuedAt, sentAt, settledAt, serverMs })
  }

  it('adds up, and shows around p95 what slow requests are made of', () => {
    const anatomy = new Anatomy()
    for (let i = 0; i < 950; i++) anatomy.record(settled(0, 0, 0, 2, 1), 0.5)
    for (let i = 0; i < 50; i++) anatomy.record(settled(0, 10, 30, 100, 40), 5)
    expect(anatomy.mean()).toMatchObject({ requests: 1000, latencyMs: 6.9, serverMs: 2.95 })
    expect(anatomy.around(100)).toEqual({
      requests: 50,
      latencyMs: 100,
      clientLateMs: 10,
      socketWaitMs: 20,
      clientLoopMs: 5,
      serverMs: 40,
      otherMs: 25,
    })
  })

  it('never gives a part more than there is', () => {
    const anatomy = new Anatomy()
    anatomy.record(settled(0, 0, 0, 10, 50), 20)
    expect(anatomy.mean()).toMatchObject({ latencyMs: 10, serverMs: 10, clientLoopMs: 0, otherMs: 0 })
  })
})

describe('histograms', () => {
  it('keep durations to three digits, also after crossing threads', () => {
    const histogram = new DurationHistogram()
    for (let ms = 1; ms <= 1000; ms++) histogram.record(ms)
    const copy = new DurationHistogram()
    copy.add(DurationHistogram.decode(histogram.encode()))
    for (const { p50, p95, p99, max, count } of [histogram.summary(), copy.summary()]) {
      expect(count).toBe(1000)
      expect(p50).toBeCloseTo(500, -1)
      expect(p95).toBeCloseTo(950, -1)
      expect(p99).toBeCloseTo(990, -1)
      expect(max).toBeCloseTo(1000, -1)
    }
  })

  it('take what is out of range instead of throwing in the middle of a run', () => {
    const histogram = new DurationHistogram()
    histogram.record(-3)
    histogram.record(1e12)
    expect(histogram.count).toBe(2)
  })
})

describe('failure bursts', () => {
  it('end after a second without failures, and several threads’ bursts become one', () => {
    const bursts: FailureBurst[] = []
    for (const at of [100, 900, 1800, 3000]) addFailure(bursts, at, at - 50)
    expect(bursts).toEqual([
      { firstStartMs: 50, lastStartMs: 1750, fromMs: 100, toMs: 1800, failures: 3 },
      { firstStartMs: 2950, lastStartMs: 2950, fromMs: 3000, toMs: 3000, failures: 1 },
    ])
    const other = { firstStartMs: 1400, lastStartMs: 2400, fromMs: 1500, toMs: 2500, failures: 2 }
    expect(mergeBursts([bursts, [other]])).toEqual([
      { firstStartMs: 50, lastStartMs: 2950, fromMs: 100, toMs: 3000, failures: 6 },
    ])
  })
})

describe('an outage that requests waited out in vain', () => {
  it('is one burst, from the first start to the last reply', () => {
    const bursts: FailureBurst[] = []
    addFailure(bursts, 13_000, 12_990)
    for (let i = 0; i < 100; i++) addFailure(bursts, 16_000 + i, 13_000 + i)
    expect(bursts).toEqual([{ firstStartMs: 12_990, lastStartMs: 13_099, fromMs: 13_000, toMs: 16_099, failures: 101 }])
  })
})

describe('causes', () => {
  it.each([
    [Object.assign(new Error('x'), { code: 'ECONNRESET' }), 'ECONNRESET'],
    [Object.assign(new Error('x'), { code: 'UND_ERR_SOCKET' }), 'connection closed'],
    [new Error('x', { cause: Object.assign(new Error('y'), { code: 'EPIPE' }) }), 'EPIPE'],
    [Object.assign(new Error('x'), { code: 'HPE_INVALID_CONSTANT' }), 'malformed http'],
    [new TypeError('x'), 'TypeError'],
  ])('are named by what the system or undici says', (error, cause) => {
    expect(causeOfError(error)).toBe(cause)
  })
})
