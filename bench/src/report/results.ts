import type { Measurement } from '../job.js'
import { ratios, type Spread, spread } from './stats.js'

export interface ClientResult {
  readonly client: string
  /** By round; null where it failed or was not measured. */
  readonly rounds: readonly (Measurement | null)[]
  /** What went wrong, once each. */
  readonly errors: readonly string[]
}

export interface WorkloadResult {
  readonly id: string
  readonly title: string
  readonly unit: string
  readonly clients: readonly ClientResult[]
}

/** Everything one run found out; written as JSON. */
export interface BenchResult {
  readonly schemaVersion: 1
  readonly startedAt: string
  readonly finishedAt: string
  readonly mode: 'full' | 'quick' | 'custom'
  readonly rounds: number
  readonly windowMs: number
  readonly machine: {
    readonly cpu: string
    readonly cores: number
    readonly platform: string
    readonly node: string
    readonly redis: string
  }
  /** Packages beside which cenote was measured. */
  readonly versions: Readonly<Record<string, string>>
  readonly workloads: readonly WorkloadResult[]
}

/** Picks a figure out of a measurement. */
export type Metric = (measurement: Measurement) => number | undefined

export const perSecond: Metric = (measurement) => measurement.perSecond
export const cpuUs: Metric = (measurement) => measurement.cpuUs
export const p99: Metric = (measurement) => measurement.latencyMs?.p99
export const extra =
  (name: string): Metric =>
  (measurement) =>
    measurement.extra?.[name]

export function workloadOf(result: BenchResult, id: string): WorkloadResult | undefined {
  return result.workloads.find((workload) => workload.id === id)
}

export function clientOf(workload: WorkloadResult | undefined, name: string): ClientResult | undefined {
  return workload?.clients.find(({ client }) => client === name)
}

function series(client: ClientResult | undefined, metric: Metric): readonly (number | undefined)[] {
  return client?.rounds.map((round) => (round === null ? undefined : metric(round))) ?? []
}

export function figure(client: ClientResult | undefined, metric: Metric): Spread | undefined {
  return spread(series(client, metric))
}

/** One client's figure ÷ another's, round by round. */
export function ratio(
  workload: WorkloadResult | undefined,
  ours: string,
  theirs: string,
  metric: Metric,
): Spread | undefined {
  return ratios(series(clientOf(workload, ours), metric), series(clientOf(workload, theirs), metric))
}

export const isOurs = (client: string): boolean => client.split('@')[0]!.startsWith('cenote')
export const isFloor = (client: string): boolean => client.split('@')[0] === 'floor'

/** The client that cenote is compared with where a workload has several: the first that is ours. */
export function ourClient(workload: WorkloadResult): string | undefined {
  return workload.clients.find(({ client }) => isOurs(client))?.client
}

/** The rival with the best median; the floor, which nobody could use, is none. */
export function bestRival(workload: WorkloadResult, metric: Metric = perSecond): string | undefined {
  let best: { client: string; value: number } | undefined
  for (const result of workload.clients) {
    if (isOurs(result.client) || isFloor(result.client)) continue
    const value = figure(result, metric)?.median
    if (value !== undefined && (best === undefined || value > best.value)) best = { client: result.client, value }
  }
  return best?.client
}
