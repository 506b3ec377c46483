import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { assertResult, OptionsError, type Result, renderPicture, renderTable, writeResult } from '../src/index.js'
import { judge } from '../src/report/thresholds.js'
import { resolveOptions } from '../src/run/options.js'
import { FakeAuthServer, problem, send } from './fake-auth-server.js'
import { fakeServer, quickRun } from './support.js'

let result: Result

beforeAll(async () => {
  const server = await new FakeAuthServer().start()
  let turn = 0
  server.before = (request, response) => {
    if (request.url !== '/auth/me' || turn++ % 10 !== 5) return false
    send(response, 503, problem(503, 'store-unavailable <&>'))
    return true
  }
  try {
    result = await quickRun(server, { name: 'a <b> & c', thresholds: { successRate: 0.5, minRequests: 10 } })
  } finally {
    await server.stop()
  }
})

describe('a result', () => {
  it('fits its schema and says no password', () => {
    expect(() => assertResult(result)).not.toThrow()
    expect(JSON.stringify(result)).not.toContain('correct horse')
  })

  it.each([
    ['an unknown key', { ...({} as Result), extra: 1 }],
    ['a share beyond 1', { generator: { shareOfP95: 2 } }],
    ['a missing figure', { steady: { requests: 1 } }],
  ])('with %s does not fit', (_, change) => {
    expect(() => assertResult({ ...result, ...(change as object) } as Result)).toThrow(/does not fit its schema/)
  })

  it('is written as JSON and picture, whole, under a name with scenario and time', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cenote-load-test-'))
    try {
      const files = await writeResult(result, join(folder, 'new'))
      expect(JSON.parse(await readFile(files.json, 'utf8'))).toEqual(JSON.parse(JSON.stringify(result)))
      const names = await readdir(join(folder, 'new'))
      expect(names.sort()).toEqual([
        expect.stringMatching(/^a__b____c-\d{4}-.*Z\.json$/),
        expect.stringMatching(/svg$/),
      ])
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('becomes a table that names failures, thresholds and the load tester’s share', () => {
    const table = renderTable(result)
    expect(table).toContain('failures: http 503 ×')
    expect(table).toMatch(/success rate +at least 50\.00 % +9\d\.\d\d % +ok/)
    expect(table).toMatch(/steady: me +\d/)
    expect(table).toContain('load tester at most')
  })

  it('becomes a picture that stands alone, is well-formed and marks failures', () => {
    const svg = renderPicture(result)
    expect(svg).toContain('a &#60;b&#62; &#38; c')
    expect(svg).toContain('#fde8e8')
    expect(svg).not.toMatch(/NaN|Infinity|undefined|https?:\/\/(?!www\.w3\.org)/)
    const open = [...svg.matchAll(/<(\w+)(?:\s[^>]*)?(?<!\/)>/g)].map((match) => match[1])
    const closed = [...svg.matchAll(/<\/(\w+)>/g)].map((match) => match[1])
    expect(open.sort()).toEqual(closed.sort())
  })

  it('never rounds a failure away', () => {
    const total = { ...result.total, successRate: 0.999_996 }
    expect(renderTable({ ...result, total })).toContain('99.99 %')
    expect(renderTable({ ...result, total })).not.toContain('100.00 %)')
  })
})

describe('thresholds', () => {
  const verdict = (limits: Parameters<typeof judge>[0], pool: Partial<Result['pool']> = {}) =>
    judge(limits, { ...result, pool: { ...result.pool, ...pool } }).map((one) => one.ok)

  it('are met or missed each by its own figure', () => {
    expect(verdict({ successRate: 1 })).toEqual([false])
    expect(verdict({ successRate: 0.8 })).toEqual([true])
    expect(verdict({ p95Ms: 0.001 })).toEqual([false])
    expect(verdict({ p95Ms: 10_000 })).toEqual([true])
    expect(verdict({ minRequests: 1e9 })).toEqual([false])
    expect(verdict({ minSessionChecksPerSecond: 1e6 })).toEqual([false])
    expect(verdict({ utilization: 0.6 }, { maxUtilization: 0.61 })).toEqual([false])
    expect(verdict({ poolExhaustion: 0 }, { exhausted: 1 })).toEqual([false])
    expect(verdict({})).toEqual([])
  })

  it('on the pool are missed when the server gave no reading', () => {
    expect(verdict({ poolExhaustion: 0, utilization: 1 }, { readings: 0 })).toEqual([false, false])
  })

  it('read exhaustion from the server: callers waiting with every lease taken, and leases given up on', async () => {
    const server = await fakeServer()
    server.pool = { waiters: 4, utilization: 1, acquireTimeouts: 7 }
    const running = quickRun(server, { durationMs: 1500 })
    setTimeout(() => {
      server.pool = { waiters: 0, utilization: 0.5, acquireTimeouts: 9 }
    }, 500)
    const { pool } = await running
    // One reading at the start, and two leases given up on since; the seven before the run are not its own.
    expect(pool).toMatchObject({ maxWaiters: 4, maxUtilization: 1, exhausted: 3 })
  })
})

describe('options', () => {
  const good = { target: 'http://127.0.0.1:3000', password: 'x' }

  it('come from the scenario unless given', () => {
    const stress = resolveOptions({ ...good, scenario: 'stress' })
    expect(stress).toMatchObject({ name: 'stress', users: 1000, model: { kind: 'closed', thinkTimeMs: 125 } })
    const own = resolveOptions({ ...good, scenario: 'stress', users: 3, rate: 10, thresholds: { p95Ms: 5 } })
    expect(own).toMatchObject({ users: 3, sockets: 3, model: { kind: 'open', rate: 10 } })
    expect(own.thresholds).toMatchObject({ p95Ms: 5, successRate: 1 })
  })

  it.each([
    [{ userz: 3 }, /unknown option "userz"; known are target, /],
    [{ scenario: 'huge' }, /scenario must be one of baseline, .*, not "huge"/],
    [{ rate: 5, thinkTimeMs: 5 }, /exclude each other/],
    [{ users: 1.5 }, /users must be a whole number from 1 to/],
    [{ target: 'localhost:3000/x' }, /target must be/],
    [{ target: 'http://u:p@h' }, /must not carry credentials/],
    [{ password: '' }, /password is missing/],
    [{ weights: { me: 0, refresh: 0, list: 0 } }, /must not all be 0/],
    [{ emailPattern: 'one@example.test' }, /emailPattern must be an address with \{n\}/],
    [{ thresholds: { p95: 5 } }, /unknown threshold "p95"/],
    [{ thresholds: { successRate: 99 } }, /thresholds\.successRate must be a number from 0 to 1/],
    [{ threads: 8, users: 4 }, /threads must be at most the number of users/],
  ])('%j are refused with the reason', (bad, message) => {
    const resolve = () => resolveOptions({ ...good, ...(bad as object) })
    expect(resolve).toThrow(OptionsError)
    expect(resolve).toThrow(message)
  })
})
