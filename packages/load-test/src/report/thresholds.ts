import type { PoolFigures } from '../run/pool-watch.js'
import type { Thresholds } from '../run/scenarios.js'
import type { Figures, OperationFigures, Verdict } from './result.js'

export interface Judged {
  readonly total: Figures
  readonly steady: Figures
  readonly operations: readonly OperationFigures[]
  readonly pool: PoolFigures
}

/** One verdict per limit that is set. A pool nobody could read passes nothing: no news is not good news. */
export function judge(limits: Thresholds, { total, steady, operations, pool }: Judged): Verdict[] {
  const verdicts: Verdict[] = []
  const atLeast = (name: string, limit: number | undefined, actual: number) => {
    if (limit !== undefined) verdicts.push({ name, limit, actual, bound: 'at least', ok: actual >= limit })
  }
  const atMost = (name: string, limit: number | undefined, actual: number, known = true) => {
    if (limit !== undefined) verdicts.push({ name, limit, actual, bound: 'at most', ok: known && actual <= limit })
  }
  const checks = operations.find((own) => own.phase === 'steady' && own.operation === 'me')
  const poolRead = pool.readings > 0
  atLeast('success rate', limits.successRate, total.successRate)
  atMost('p95 (ms)', limits.p95Ms, steady.latency.p95, steady.latency.count > 0)
  atMost('pool exhaustion', limits.poolExhaustion, pool.exhausted, poolRead)
  atMost('pool utilisation', limits.utilization, pool.maxUtilization, poolRead)
  atLeast('requests', limits.minRequests, total.requests)
  atLeast('session checks per second', limits.minSessionChecksPerSecond, checks?.perSecond ?? 0)
  return verdicts
}
