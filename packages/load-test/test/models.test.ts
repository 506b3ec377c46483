import { describe, expect, it } from 'vitest'
import { arrivalTime } from '../src/engine/open-loop.js'
import { fakeServer, quickRun } from './support.js'

/** Holds every request that arrives between `fromMs` and `toMs` after the first session check until `toMs`. */
function stallBetween(fromMs: number, toMs: number) {
  let first: number | undefined
  return async (path: string | undefined) => {
    if (path !== '/auth/me') return
    first ??= performance.now()
    const at = performance.now() - first
    if (at >= fromMs && at < toMs) await new Promise((resolve) => setTimeout(resolve, toMs - at))
  }
}

describe('open model', () => {
  it('counts a stall of the server for every arrival that fell into it, from its intended start', async () => {
    const server = await fakeServer()
    const stall = stallBetween(400, 1000)
    server.before = async (request) => {
      await stall(request.url)
      return false
    }
    const result = await quickRun(server, {
      rate: 400,
      durationMs: 1600,
      sockets: 16,
      weights: { me: 1, refresh: 0, list: 0 },
    })

    // 240 of 640 arrivals fell into the stall; only 16 of them had a socket. The slowest tenth waited over 300 ms.
    expect(result.steady.requests).toBe(640)
    expect(result.steady.ok).toBe(640)
    expect(result.steady.latency.p90).toBeGreaterThan(300)
    expect(server.count('/auth/me')).toBe(640)
    // The sockets were all taken because the server was slow: that is not the load tester's share.
    expect(result.generator.anatomy.p95.socketWaitMs).toBeGreaterThan(100)
    expect(result.generator.shareOfP95).toBeLessThan(0.5)
  })

  it('keeps its timetable while the event loop is blocked, and counts the lateness as the load tester’s own', async () => {
    const server = await fakeServer()
    let blocked = false
    const result = await quickRun(server, {
      rate: 500,
      durationMs: 1500,
      weights: { me: 1, refresh: 0, list: 0 },
      onProgress: ({ phase }) => {
        if (phase !== 'steady' || blocked) return
        blocked = true
        const until = performance.now() + 300
        while (performance.now() < until);
      },
    })
    expect(blocked).toBe(true)
    expect(result.steady.requests).toBe(750)
    expect(result.steady.latency.max).toBeGreaterThan(250)
    expect(result.generator.anatomy.p95.clientLateMs).toBeGreaterThan(100)
    expect(result.generator.shareOfP95).toBeGreaterThan(0.5)
    expect(result.generator.loop.lagMaxMs).toBeGreaterThan(200)
  })

  it('fails arrivals nobody has a session for instead of leaving them out', async () => {
    const server = await fakeServer()
    server.before = (request, response) => {
      if (request.url !== '/auth/me') return false
      // The first check ends every session and every further login.
      for (const session of server.sessions.values()) session.alive = false
      server.password = 'changed'
      response.writeHead(401).end()
      return true
    }
    const result = await quickRun(server, { users: 5, rate: 200, weights: { me: 1, refresh: 0, list: 0 } })
    const checks = result.operations.find((own) => own.operation === 'me')!
    expect(checks.requests).toBe(160)
    expect(checks.ok).toBe(0)
    expect(checks.causes['http 401']! + checks.causes['no session']!).toBe(160)
    expect(checks.causes['no session']).toBeGreaterThan(100)
  })

  it('has a timetable that grows to the full rate over the ramp', () => {
    const due = Array.from({ length: 300 }, (_, k) => arrivalTime(k, 100, 2000))
    expect(due.filter((at) => at < 2000)).toHaveLength(100)
    expect(due.filter((at) => at >= 2000 && at < 3000)).toHaveLength(100)
    expect(due.every((at, k) => k === 0 || at > due[k - 1]!)).toBe(true)
  })
})

describe('closed model', () => {
  it('sends nothing while its users wait: a stall costs each of them one slow request', async () => {
    const server = await fakeServer()
    const stall = stallBetween(200, 700)
    server.before = async (request) => {
      await stall(request.url)
      return false
    }
    const result = await quickRun(server, { durationMs: 1200, weights: { me: 1, refresh: 0, list: 0 } })
    expect(result.steady.failed).toBe(0)
    expect(result.steady.latency.max).toBeGreaterThan(350)
    expect(result.steady.latency.p50).toBeLessThan(350)
    const quietest = Math.min(...result.timeline.filter((second) => second.second < 1).map((second) => second.ok))
    expect(quietest).toBeLessThan(result.steady.requests)
  })

  it('logs every user in once, loops, and logs every user out, and reports each request the server saw', async () => {
    const server = await fakeServer()
    const result = await quickRun(server, { weights: { me: 8, refresh: 1, list: 1 } })
    const total = (operation: string) =>
      result.operations.filter((own) => own.operation === operation).reduce((sum, own) => sum + own.ok, 0)
    expect(result.usersLoggedIn).toBe(20)
    expect(total('login')).toBe(20)
    expect(total('logout')).toBe(20)
    expect(total('me')).toBe(server.count('/auth/me'))
    expect(total('refresh')).toBe(server.count('/auth/refresh'))
    expect(total('list')).toBe(server.count('/auth/sessions'))
    expect(result.total.requests).toBe(server.seen.length)
    expect(result.total.failed).toBe(0)
    expect(result.timeline.reduce((sum, second) => sum + second.ok, 0)).toBe(server.seen.length)
    expect(new Set(server.seen.map((seen) => seen.user)).size).toBe(21)
  })

  it('opens no more sockets than allowed and never has two requests on one', async () => {
    const server = await fakeServer()
    let running = 0
    let most = 0
    server.before = async () => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setTimeout(resolve, 2))
      running--
      return false
    }
    const result = await quickRun(server, { users: 40, sockets: 4, thinkTimeMs: 0, durationMs: 300 })
    expect(result.steady.requests).toBeGreaterThan(40)
    expect(most).toBeLessThanOrEqual(4)
    // Beyond its four: one probe before the run and two readings of the pool.
    expect(server.sockets).toBeLessThanOrEqual(4 + 1 + 2 * result.timeline.length + 2)
  })

  it('keeps ramp and steady phase apart', async () => {
    const server = await fakeServer()
    const result = await quickRun(server, { rampMs: 400, durationMs: 400 })
    const requests = (phase: string) =>
      result.operations.filter((own) => own.phase === phase).reduce((sum, own) => sum + own.requests, 0)
    expect(requests('ramp')).toBeGreaterThan(20)
    expect(requests('steady')).toBe(result.steady.requests)
    expect(requests('steady')).toBeGreaterThan(requests('ramp'))
    expect(result.phases).toMatchObject({ ramp: 400, steady: 400 })
  })
})
