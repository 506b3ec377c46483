import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { TargetError } from '../src/index.js'
import { problem, send } from './fake-auth-server.js'
import { fakeServer, quickRun } from './support.js'

const CHECKS_ONLY = { me: 1, refresh: 0, list: 0 } as const

describe('failures', () => {
  it('are counted by cause, every one of them', async () => {
    const server = await fakeServer()
    const dealt = { 'http 503': 0, 'http 500': 0, 'connection closed': 0, timeout: 0 }
    let turn = 0
    server.before = (request, response) => {
      if (request.url !== '/auth/me') return false
      switch (turn++ % 10) {
        case 1:
          dealt['http 503']++
          send(response, 503, problem(503, 'store-unavailable'))
          return true
        case 3:
          dealt['http 500']++
          send(response, 500)
          return true
        case 5:
          dealt['connection closed']++
          request.socket.end()
          return true
        case 7:
          dealt.timeout++
          return true
        default:
          return false
      }
    }
    const result = await quickRun(server, { timeoutMs: 250, durationMs: 1500, weights: CHECKS_ONLY })
    expect(result.total.causes).toEqual(dealt)
    expect(result.steady.requests).toBe(turn)
    expect(result.steady.ok + result.steady.failed).toBe(turn)
    expect(result.timeline.reduce((sum, second) => sum + second.failed, 0)).toBe(result.total.failed)
    // A timeout counts with the time it waited, else the worst requests would be missing from the percentiles.
    expect(result.steady.latency.max).toBeGreaterThanOrEqual(250)
    expect(result.steady.latency.count).toBe(result.steady.ok + dealt.timeout)
    expect(result.failureSamples[0]!.detail).toContain('store-unavailable')
  })

  it('notice a connection that is reset', async () => {
    const server = await fakeServer()
    let resets = 0
    server.before = (request) => {
      if (request.url !== '/auth/me' || resets >= 3) return false
      resets++
      request.socket.resetAndDestroy()
      return true
    }
    const result = await quickRun(server, { weights: CHECKS_ONLY })
    expect(result.total.causes).toEqual({ ECONNRESET: 3 })
  })

  it('include a reply that is somebody else’s', async () => {
    const server = await fakeServer()
    server.answerFor = 'load9999@example.test'
    const result = await quickRun(server, { weights: CHECKS_ONLY })
    expect(result.steady.ok).toBe(0)
    expect(result.steady.causes).toEqual({ 'wrong body': result.steady.requests })
  })

  it('of an outage lie in its window only, and the report names the window', async () => {
    const server = await fakeServer()
    const begun = Date.now()
    const down = { from: 0, to: 0 }
    const running = quickRun(server, { durationMs: 3000, weights: CHECKS_ONLY })
    await sleep(1000)
    down.from = Date.now() - begun
    await server.stop()
    await sleep(700)
    await server.start()
    down.to = Date.now() - begun
    const result = await running

    expect(result.total.failed).toBeGreaterThan(20)
    expect(Object.keys(result.total.causes)).toContain('ECONNREFUSED')
    expect(result.bursts).toHaveLength(1)
    const [burst] = result.bursts
    expect(burst!.failures).toBe(result.total.failed)
    // The run began a little after `begun`, so its own clock is a little behind.
    expect(burst!.firstStartMs).toBeGreaterThan(down.from - 200)
    expect(burst!.lastStartMs).toBeLessThanOrEqual(down.to)
    const after = result.timeline.filter((second) => second.second * 1000 > down.to + 200)
    expect(after.length).toBeGreaterThan(0)
    expect(after.every((second) => second.failed === 0 && second.ok > 0)).toBe(true)
  })

  it('of every login end the run at once with the server’s reason', async () => {
    const server = await fakeServer()
    server.password = 'another'
    const run = quickRun(server, { users: 100, password: 'wrong' })
    await expect(run).rejects.toThrow(TargetError)
    await expect(run).rejects.toThrow(/no user could log in \(http 401, .*invalid-credentials/)
    expect(server.count('/auth/login')).toBeLessThan(60)
  })

  it('to reach the service at all are told before any user is made', async () => {
    const server = await fakeServer()
    await server.stop()
    await expect(quickRun(server)).rejects.toThrow(/no answer from http:\/\/127\.0\.0\.1:\d+ \(ECONNREFUSED\)/)
  })
})

describe('a session', () => {
  const REFRESH_OFTEN = { me: 1, refresh: 1, list: 0 } as const

  it('never presents a refresh token again whose use is in doubt', async () => {
    const server = await fakeServer()
    let cut = 0
    server.before = async (request) => {
      if (request.url !== '/auth/refresh' || cut >= 10) return false
      cut++
      let body = ''
      for await (const chunk of request) body += chunk
      // The server uses the token up; its reply is lost.
      const { refreshToken } = JSON.parse(body) as { refreshToken: string }
      for (const session of server.sessions.values()) {
        if (session.refreshToken === refreshToken) session.refreshToken = 'used'
      }
      request.socket.resetAndDestroy()
      return true
    }
    const result = await quickRun(server, { weights: REFRESH_OFTEN })
    expect(cut).toBe(10)
    expect(result.total.causes).toEqual({ ECONNRESET: 10 })
    expect(server.count('/auth/login')).toBe(20)
  })

  it('tries a refresh again that the server says was not done', async () => {
    const server = await fakeServer()
    let refused = 0
    server.before = (request, response) => {
      if (request.url !== '/auth/refresh' || refused >= 5) return false
      refused++
      send(response, 503, problem(503, 'store-unavailable', { outcome: 'not-sent' }))
      return true
    }
    const result = await quickRun(server, { users: 1, weights: REFRESH_OFTEN })
    expect(result.total.causes).toEqual({ 'http 503': 5 })
    expect(server.count('/auth/refresh')).toBeGreaterThan(5)
    expect(server.count('/auth/login')).toBe(1)
  })

  it('that the server ended is followed by a login through the gate', async () => {
    const server = await fakeServer()
    const running = quickRun(server, { durationMs: 1200, weights: CHECKS_ONLY })
    await sleep(500)
    for (const session of server.sessions.values()) session.alive = false
    const result = await running
    expect(result.total.causes).toEqual({ 'http 401': 20 })
    expect(result.operations.find((own) => own.phase === 'steady' && own.operation === 'login')?.ok).toBe(20)
    expect(result.timeline.at(-1)!.failed).toBe(0)
  })
})

describe('the login gate', () => {
  it('bounds the rate and the number of logins under way', async () => {
    const server = await fakeServer()
    let running = 0
    let most = 0
    const times: number[] = []
    server.before = async (request) => {
      if (request.url !== '/auth/login') return false
      times.push(performance.now())
      most = Math.max(most, ++running)
      await sleep(30)
      running--
      return false
    }
    await quickRun(server, { users: 40, loginRate: 100, loginConcurrency: 3, durationMs: 100 })
    expect(times).toHaveLength(40)
    expect(most).toBe(3)
    // 40 logins at 100 a second; 100 ms of a burst are allowed.
    expect(times.at(-1)! - times[0]!).toBeGreaterThan(280)
  })

  it('tries a refused login again and counts both', async () => {
    const server = await fakeServer()
    const refused = new Set<number>()
    server.before = (request, response) => {
      if (request.url !== '/auth/login' || refused.size >= 5) return false
      refused.add(refused.size)
      send(response, 503, problem(503, 'overloaded'))
      return true
    }
    const result = await quickRun(server)
    expect(result.usersLoggedIn).toBe(20)
    const logins = result.operations.find((own) => own.phase === 'login')!
    expect(logins).toMatchObject({ requests: 25, ok: 20, failed: 5, causes: { 'http 503': 5 } })
  })
})
