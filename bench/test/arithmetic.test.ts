import { describe, expect, test } from 'vitest'
import type { Measurement } from '../src/job.js'
import { Latencies } from '../src/measure/latency.js'
import { makePlan, orderOf } from '../src/plan.js'
import { goals } from '../src/report/goals.js'
import { renderPicture } from '../src/report/picture.js'
import type { BenchResult, WorkloadResult } from '../src/report/results.js'
import { bestRival } from '../src/report/results.js'
import { median, ratios, spread } from '../src/report/stats.js'
import { goalTable, summary } from '../src/report/table.js'
import { catalogue } from '../src/workloads/index.js'

describe('figures over rounds', () => {
  test('the median is the middle, or the mean of the two in the middle', () => {
    expect(median([5, 1, 3])).toBe(3)
    expect(median([4, 1, 3, 2])).toBe(2.5)
    expect(() => median([])).toThrow(RangeError)
  })

  test('a ratio compares figures of the same round and leaves out rounds that lack one', () => {
    expect(ratios([10, 20, 60, 5], [5, 5, 6, undefined])).toEqual({ median: 4, min: 2, max: 10 })
    expect(ratios([10], [undefined])).toBeUndefined()
    expect(spread([undefined, 7])).toEqual({ median: 7, min: 7, max: 7 })
  })

  test('percentiles are exact, by nearest rank', () => {
    const latencies = new Latencies()
    for (let i = 1000; i >= 1; i--) latencies.add(i)
    expect(latencies.percentiles()).toEqual({ p50: 500, p95: 950, p99: 990 })
    latencies.reset()
    expect(latencies.percentiles()).toBeUndefined()
    latencies.add(3)
    expect(latencies.percentiles()).toEqual({ p50: 3, p95: 3, p99: 3 })
  })

  test('beyond their capacity latencies keep the newest', () => {
    const latencies = new Latencies(4)
    for (const ms of [1000, 1000, 1, 2, 3, 4]) latencies.add(ms)
    expect(latencies.percentiles()?.p99).toBe(4)
  })
})

describe('the plan', () => {
  const all = { quick: false, workloads: [], clients: [], rounds: undefined }

  test('has every workload of the catalogue, five rounds each', () => {
    const plan = makePlan(all)
    expect(plan.map(({ workload }) => workload.id)).toEqual(catalogue.map(({ workload }) => workload.id))
    expect(new Set(plan.map(({ rounds }) => rounds))).toEqual(new Set([5]))
  })

  test('takes workloads by id or by the beginning they share, clients by name or kind', () => {
    const plan = makePlan({
      ...all,
      workloads: ['get-set', 'mixed'],
      clients: ['cenote', 'node-redis-pool'],
      rounds: 2,
    })
    expect(plan.map(({ workload }) => workload.id).sort()).toEqual(
      ['get-set-1', 'get-set-16', 'get-set-64', 'get-set-256', 'get-set-1000', 'get-set-8000', 'mixed'].sort(),
    )
    expect(plan[0]?.clients).toEqual(['cenote', 'node-redis-pool@160', 'node-redis-pool@20'])
    expect(plan[0]?.rounds).toBe(2)
  })

  test('measures in quick mode what was asked for by name, though it is not part of that mode', () => {
    expect(makePlan({ ...all, quick: true }).some(({ workload }) => workload.id === 'tls-1000')).toBe(false)
    expect(makePlan({ ...all, quick: true, workloads: ['tls-1000'] })).toHaveLength(1)
  })

  test.each([
    [{ workloads: ['no-such'] }, /no workload no-such; there are get-set-1000/],
    [{ clients: ['jedis'] }, /no client jedis; there are cenote/],
  ])('names what there is when %j is asked for', (filter, message) => {
    expect(() => makePlan({ ...all, ...filter })).toThrow(message)
  })

  test('turns the order of the clients round from one round to the next', () => {
    expect(orderOf(['a', 'b', 'c'], 0)).toEqual(['a', 'b', 'c'])
    expect(orderOf(['a', 'b', 'c'], 1)).toEqual(['c', 'b', 'a'])
    expect(orderOf(['a', 'b', 'c'], 2)).toEqual(['a', 'b', 'c'])
  })
})

function workload(id: string, figures: Readonly<Record<string, readonly (Measurement | null)[]>>): WorkloadResult {
  const clients = Object.entries(figures).map(([client, rounds]) => ({ client, rounds, errors: [] }))
  return { id, title: id, unit: 'commands', clients }
}

const rates = (...values: (number | null)[]): (Measurement | null)[] =>
  values.map((value) => (value === null ? null : { perSecond: value, cpuUs: 1e6 / value }))

function result(...workloads: WorkloadResult[]): BenchResult {
  const machine = { cpu: 'a <fast> one', cores: 2, platform: 'linux', node: '20', redis: '7' }
  return {
    schemaVersion: 1,
    startedAt: '2026-01-01T00:00:00.000Z',
    finishedAt: '2026-01-01T00:00:00.000Z',
    mode: 'full',
    rounds: 3,
    windowMs: 100,
    machine,
    versions: {},
    workloads,
  }
}

describe('the report', () => {
  const busy = workload('get-set-1000', {
    cenote: rates(400, 500, 600),
    floor: rates(500, 500, 500),
    ioredis: rates(50, 50, 50),
    'ioredis-auto': rates(100, 100, 400),
    glide: rates(null, null, null),
  })

  test('compares with the fastest rival, never with the floor', () => {
    expect(bestRival(busy)).toBe('ioredis-auto')
  })

  test('says of each goal whether it was reached, missed or not measured', () => {
    const found = goals(result(busy))
    const goal = (part: string) => found.find(({ what }) => what.includes(part))
    expect(goal('ioredis at its best (ioredis-auto)')).toMatchObject({
      limit: 4,
      actual: { median: 4, min: 1.5, max: 5 },
      reached: true,
    })
    expect(goal('floor, 1,000')).toMatchObject({ actual: { median: 1 }, reached: true })
    expect(goal('valkey-glide')).toMatchObject({ actual: undefined, reached: undefined })
    const slow = workload('get-set-1000', { cenote: rates(100), floor: rates(200) })
    expect(goals(result(slow)).find(({ what }) => what.includes('floor, 1,000'))?.reached).toBe(false)
  })

  test('holds an "at most" goal against the right side', () => {
    const service = workload('service', {
      cenote: [{ perSecond: 10, latencyMs: { p50: 1, p95: 1, p99: 10 } }],
      'generic-pool@160': [{ perSecond: 1, latencyMs: { p50: 1, p95: 1, p99: 40 } }],
    })
    const found = goals(result(service)).find(({ what }) => what.includes('generic-pool@160, p99'))
    expect(found).toMatchObject({ bound: 'at most', actual: { median: 0.25 }, reached: true })
  })

  test('shows medians, ratios with their spread, and what is missing', () => {
    const text = summary(result(busy))
    expect(text).toMatch(/ioredis-auto\s+100\s+4× \(1\.5\.\.5\)/)
    expect(text).toMatch(/glide\s+-\s+-/)
    expect(goalTable(goals(result(busy)))).toContain('not measured')
  })

  test('draws one self-contained picture without a broken number, whatever is missing', () => {
    for (const one of [result(), result(busy), result(workload('lease-1', { cenote: rates(3), tarn: rates(1) }))]) {
      const picture = renderPicture(one)
      expect(picture).toMatch(/^<svg [\s\S]*<\/svg>\n$/)
      expect(picture).not.toMatch(/NaN|Infinity|undefined|<fast>/)
    }
    expect(renderPicture(result(busy))).toContain('bare socket (floor)')
  })
})
