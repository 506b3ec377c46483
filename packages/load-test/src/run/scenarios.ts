import type { Weights } from '../operations.js'

/** Limits that decide the verdict; undefined means: not checked. */
export interface Thresholds {
  /** Successes ÷ requests over the whole run, 0 to 1. */
  readonly successRate?: number
  /** p95 of all requests of the steady phase, ms. */
  readonly p95Ms?: number
  /** Readings of the server's pool with callers waiting and every lease taken, plus leases given up on. */
  readonly poolExhaustion?: number
  /** Highest lease utilisation read from the server, 0 to 1. */
  readonly utilization?: number
  /** Requests of the whole run. */
  readonly minRequests?: number
  /** Successful session checks per second of the steady phase. */
  readonly minSessionChecksPerSecond?: number
}

export interface Scenario {
  readonly users: number
  readonly durationMs: number
  readonly rampMs: number
  readonly thinkTimeMs: number
  readonly weights: Weights
  readonly thresholds: Thresholds
}

const WEIGHTS: Weights = { me: 94, refresh: 3, list: 3 }

/** Thinking times put every scenario from 1,000 users on at 7,000 to 8,000 requests per second, if the server can. */
export const SCENARIOS = {
  baseline: scenario(500, 100, 100),
  stress: scenario(1000, 125, 150),
  ultimate: scenario(2000, 250, 300),
  'peak-4000': scenario(4000, 500, 1000),
  'peak-8000': scenario(8000, 1000, 1000),
} as const satisfies Record<string, Scenario>

export type ScenarioName = keyof typeof SCENARIOS

export function isScenarioName(name: string): name is ScenarioName {
  return Object.hasOwn(SCENARIOS, name)
}

function scenario(users: number, thinkTimeMs: number, p95Ms: number): Scenario {
  return {
    users,
    durationMs: 60_000,
    rampMs: 3_000,
    thinkTimeMs,
    weights: WEIGHTS,
    thresholds: { successRate: 1, p95Ms, poolExhaustion: 0, utilization: 0.6, minRequests: 10_000 },
  }
}
