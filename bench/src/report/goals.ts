import {
  type BenchResult,
  bestRival,
  clientOf,
  cpuUs,
  extra,
  figure,
  type Metric,
  ourClient,
  p99,
  perSecond,
  ratio,
  workloadOf,
} from './results.js'
import type { Spread } from './stats.js'

export interface Goal {
  readonly what: string
  readonly bound: 'at least' | 'at most'
  readonly limit: number
  /** Undefined: not measured in this run. */
  readonly actual: Spread | undefined
  /** By the median; undefined when not measured. */
  readonly reached: boolean | undefined
}

type Bound = Goal['bound']

/** What the project has set itself, beside what the run says. */
export function goals(result: BenchResult): Goal[] {
  const list: Goal[] = []
  const add = (what: string, bound: Bound, limit: number, actual: Spread | undefined): void => {
    const reached = actual && (bound === 'at least' ? actual.median >= limit : actual.median <= limit)
    list.push({ what, bound, limit, actual, reached })
  }
  const against = (id: string, rival: string, metric: Metric = perSecond) =>
    ratio(workloadOf(result, id), 'cenote', rival, metric)

  const busy = workloadOf(result, 'get-set-1000')
  const ioredis = faster(busy, 'ioredis', 'ioredis-auto')
  add(`cenote : ioredis at its best (${ioredis}), 1,000 callers`, 'at least', 4, against('get-set-1000', ioredis))
  add('cenote : node-redis one client, 1,000 callers', 'at least', 7, against('get-set-1000', 'node-redis'))
  add('cenote : node-redis pool of 160, 1,000 callers', 'at least', 18, against('get-set-1000', 'node-redis-pool@160'))
  add(
    'cenote : generic-pool + ioredis at 160, 1,000 callers',
    'at least',
    12,
    against('get-set-1000', 'generic-pool@160'),
  )
  add('cenote : valkey-glide, 1,000 callers', 'at least', 7, against('get-set-1000', 'glide'))
  add('cenote : floor, 64 callers', 'at least', 0.8, against('get-set-64', 'floor'))
  add('cenote : floor, 1,000 callers', 'at least', 0.8, against('get-set-1000', 'floor'))
  add('cenote : ioredis, one sequential caller', 'at least', 1, against('get-set-1', 'ioredis'))

  for (const workload of result.workloads) {
    if (named.has(workload.id) || workload.id.startsWith('memory')) continue
    const ours = ourClient(workload)
    const rival = bestRival(workload)
    if (ours === undefined || rival === undefined) continue
    const pool = workload.id.startsWith('lease')
    const what = pool
      ? `lease borrow+return : ${rival}, ${callersOf(workload.id)}`
      : `${workload.title}: ${ours} : ${rival}`
    add(what, 'at least', 1.5, ratio(workload, ours, rival, perSecond))
  }

  add(
    'small-GET p99 beside others : its p99 alone',
    'at most',
    1.5,
    figure(clientOf(workloadOf(result, 'mixed'), 'cenote'), extra('p99Ratio')),
  )
  for (const rival of ['node-redis-pool@160', 'generic-pool@160']) {
    add(`service on cenote : on ${rival}, requests/s`, 'at least', 2.5, against('service', rival))
    add(`service on cenote : on ${rival}, p99`, 'at most', 1 / 3, against('service', rival, p99))
  }
  add('service on cenote : on ioredis-auto, requests/s', 'at least', 1, against('service', 'ioredis-auto'))
  add('service on cenote : on ioredis-auto, CPU/request', 'at most', 1, against('service', 'ioredis-auto', cpuUs))
  return list
}

/** Workloads with goals of their own. */
const named = new Set(['get-set-1', 'get-set-64', 'get-set-1000', 'mixed', 'service'])

const callersOf = (id: string): string => (id === 'lease-1' ? '1 borrower' : `${id.replace('lease-', '')} borrowers`)

function faster(workload: ReturnType<typeof workloadOf>, a: string, b: string): string {
  const first = figure(clientOf(workload, a), perSecond)?.median ?? 0
  const second = figure(clientOf(workload, b), perSecond)?.median ?? 0
  return second >= first ? b : a
}
