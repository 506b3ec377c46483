import { type IntervalHistogram, monitorEventLoopDelay, performance } from 'node:perf_hooks'

/** How the load tester's own event loop fared. Lags are lateness beyond the timer's own 10 ms, in ms. */
export interface LoopFigures {
  readonly lagP50Ms: number
  readonly lagP95Ms: number
  readonly lagP99Ms: number
  readonly lagMaxMs: number
  /** Share of the time the loop was not waiting for something to do, 0 to 1. */
  readonly utilization: number
}

const RESOLUTION_MS = 10

/** Watches one thread's event loop between `start()` and `stop()`. */
export class LoopMeter {
  private readonly delay: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  private readonly before = performance.eventLoopUtilization()

  constructor() {
    this.delay.enable()
  }

  read(): LoopFigures {
    return {
      lagP50Ms: lag(this.delay.percentile(50)),
      lagP95Ms: lag(this.delay.percentile(95)),
      lagP99Ms: lag(this.delay.percentile(99)),
      lagMaxMs: lag(this.delay.max),
      utilization: round(performance.eventLoopUtilization(this.before).utilization),
    }
  }

  stop(): LoopFigures {
    this.delay.disable()
    return this.read()
  }

  /** The greatest lag since the last call. */
  takeMax(): number {
    const max = lag(this.delay.max)
    this.delay.reset()
    return max
  }
}

/** The worst of several threads: one saturated thread is enough to spoil the figures. */
export function worstLoop(threads: readonly LoopFigures[]): LoopFigures {
  const worst = (key: keyof LoopFigures) => threads.reduce((max, figures) => Math.max(max, figures[key]), 0)
  return {
    lagP50Ms: worst('lagP50Ms'),
    lagP95Ms: worst('lagP95Ms'),
    lagP99Ms: worst('lagP99Ms'),
    lagMaxMs: worst('lagMaxMs'),
    utilization: worst('utilization'),
  }
}

/** CPU time of the whole process, threads included, in ms. */
export class CpuMeter {
  private readonly before = process.cpuUsage()
  private readonly startedAt = performance.now()

  read(): { readonly cpuMs: number; readonly wallMs: number } {
    const { user, system } = process.cpuUsage(this.before)
    return { cpuMs: Math.round((user + system) / 1000), wallMs: Math.round(performance.now() - this.startedAt) }
  }
}

function lag(nanoseconds: number): number {
  return Number.isFinite(nanoseconds) ? Math.max(0, round(nanoseconds / 1e6 - RESOLUTION_MS)) : 0
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000
}
