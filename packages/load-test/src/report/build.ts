import { availableParallelism, cpus } from 'node:os'
import type { EngineDump } from '../engine/types.js'
import { Anatomy } from '../measure/anatomy.js'
import { mergeBursts } from '../measure/bursts.js'
import { DurationHistogram } from '../measure/histogram.js'
import type { CellDump } from '../measure/recorder.js'
import { worstLoop } from '../measure/self.js'
import { OPERATIONS, PHASES } from '../operations.js'
import type { ResolvedOptions } from '../run/options.js'
import type { PoolFigures } from '../run/pool-watch.js'
import type { RunPhase, Second } from '../run/progress.js'
import { addInto, sum } from '../run/timeline.js'
import type { Figures, GeneratorFigures, Result } from './result.js'
import { judge } from './thresholds.js'

export interface ResultParts {
  readonly options: ResolvedOptions
  readonly startedAtMs: number
  readonly finishedAtMs: number
  readonly interrupted: boolean
  readonly loggedIn: number
  readonly phaseMs: Readonly<Record<RunPhase, number>>
  readonly seconds: readonly Second[]
  readonly dumps: readonly EngineDump[]
  readonly pool: PoolFigures
  readonly cpu: { readonly cpuMs: number; readonly wallMs: number } | undefined
}

/** A loop this busy, or replies lying this long before it, and the figures are about the load tester. */
const SATURATED_UTILIZATION = 0.9
const SAMPLES = 20

export function buildResult(parts: ResultParts): Result {
  const { options, dumps, phaseMs } = parts
  const cells = dumps.flatMap((dump) => dump.records.cells)
  const runMs = parts.finishedAtMs - parts.startedAtMs
  const steady = figures(
    cells.filter((cell) => cell.phase === 'steady'),
    phaseMs.steady,
  )
  const total = { ...figures(cells, runMs), abandoned: dumps.reduce((count, dump) => count + dump.abandoned, 0) }
  const operations = PHASES.flatMap((phase) =>
    OPERATIONS.flatMap((operation) => {
      const own = cells.filter((cell) => cell.phase === phase && cell.operation === operation)
      return own.length === 0 ? [] : [{ phase, operation, ...figures(own, phaseMs[phase]) }]
    }),
  )
  const thresholds = judge(options.thresholds, { total, steady, operations, pool: parts.pool })
  return {
    schemaVersion: 1,
    scenario: options.name,
    target: options.origin,
    startedAt: new Date(parts.startedAtMs).toISOString(),
    finishedAt: new Date(parts.finishedAtMs).toISOString(),
    interrupted: parts.interrupted,
    passed: !parts.interrupted && thresholds.every((verdict) => verdict.ok),
    settings: settingsOf(options),
    machine: {
      node: process.version,
      platform: `${process.platform} ${process.arch}`,
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: availableParallelism(),
    },
    usersLoggedIn: parts.loggedIn,
    phases: phaseMs,
    total,
    steady,
    operations,
    bursts: mergeBursts(dumps.map((dump) => dump.records.bursts)),
    failureSamples: dumps
      .flatMap((dump) => dump.records.samples)
      .sort((a, b) => a.atMs - b.atMs)
      .slice(0, SAMPLES),
    generator: generator(parts, steady),
    pool: parts.pool,
    thresholds,
    timeline: parts.seconds,
  }
}

function figures(cells: readonly CellDump[], phaseMs: number): Figures {
  const latency = merged(cells.map((cell) => cell.latency))
  const failureLatency = merged(cells.map((cell) => cell.failureLatency))
  const server = merged(cells.map((cell) => cell.server))
  const causes: Record<string, number> = {}
  let ok = 0
  for (const cell of cells) {
    ok += cell.ok
    addInto(causes, cell.causes)
  }
  const failed = sum(causes)
  return {
    requests: ok + failed,
    ok,
    failed,
    successRate: ok + failed === 0 ? 1 : ok / (ok + failed),
    perSecond: phaseMs > 0 ? Math.round((ok / phaseMs) * 10_000) / 10 : 0,
    latency: latency.summary(),
    failureLatency: failureLatency.summary(),
    server: server.summary(),
    causes,
  }
}

function generator({ dumps, cpu, options }: ResultParts, steady: Figures): GeneratorFigures {
  const anatomy = new Anatomy()
  for (const dump of dumps) anatomy.add(new Anatomy(dump.records.anatomy))
  const p95 = anatomy.around(steady.latency.p95)
  const loop = worstLoop(dumps.map((dump) => dump.loop))
  const socketWait = merged(dumps.map((dump) => dump.records.socketWait)).summary()
  const own = p95.clientLateMs + p95.clientLoopMs
  const busy = cpu !== undefined && cpu.cpuMs > cpu.wallMs * options.threads * SATURATED_UTILIZATION
  return {
    loop,
    cpu: cpu && { ...cpu, perRequestUs: perRequest(cpu.cpuMs, steady.requests) },
    clientLoop: merged(dumps.map((dump) => dump.records.clientLoop)).summary(),
    socketWait,
    anatomy: { mean: anatomy.mean(), p95 },
    shareOfP95: p95.latencyMs > 0 ? Math.round((own / p95.latencyMs) * 1000) / 1000 : 0,
    saturated: busy || loop.utilization > SATURATED_UTILIZATION,
  }
}

function settingsOf(options: ResolvedOptions): Result['settings'] {
  const { model, users, durationMs, rampMs, weights, sockets, threads, timeoutMs, loginRate, loginConcurrency } =
    options
  return { model, users, durationMs, rampMs, weights, sockets, threads, timeoutMs, loginRate, loginConcurrency }
}

function merged(encoded: readonly string[]): DurationHistogram {
  const histogram = new DurationHistogram()
  for (const text of encoded) histogram.add(DurationHistogram.decode(text))
  return histogram
}

function perRequest(cpuMs: number, requests: number): number {
  return requests === 0 ? 0 : Math.round((cpuMs * 10_000) / requests) / 10
}
