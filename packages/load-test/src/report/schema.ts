import { Ajv } from 'ajv'
import type { Result } from './result.js'

const count = { type: 'integer', minimum: 0 }
const positive = { type: 'number', minimum: 0 }
const share = { type: 'number', minimum: 0, maximum: 1 }
const text = { type: 'string' }
const causes = { type: 'object', additionalProperties: { type: 'integer', minimum: 1 } }

/** A closed object: every property required unless its name ends in `?`, nothing else allowed. */
function object(shape: Record<string, unknown>): object {
  const properties: Record<string, unknown> = {}
  const required: string[] = []
  for (const [key, schema] of Object.entries(shape)) {
    const name = key.replace(/\?$/, '')
    properties[name] = schema
    if (name === key) required.push(name)
  }
  return { type: 'object', properties, required, additionalProperties: false }
}

const list = (items: object) => ({ type: 'array', items })

const percentiles = object({
  count,
  mean: positive,
  p50: positive,
  p90: positive,
  p95: positive,
  p99: positive,
  p999: positive,
  max: positive,
})

const figures = {
  requests: count,
  ok: count,
  failed: count,
  successRate: share,
  perSecond: positive,
  latency: percentiles,
  failureLatency: percentiles,
  server: percentiles,
  causes,
}

const operation = { enum: ['login', 'me', 'refresh', 'list', 'logout'] }
const phase = { enum: ['login', 'ramp', 'steady', 'logout'] }

const timeShares = object({
  requests: count,
  latencyMs: positive,
  clientLateMs: positive,
  socketWaitMs: positive,
  clientLoopMs: positive,
  serverMs: positive,
  otherMs: positive,
})

const poolReading = object({
  atMs: count,
  status: text,
  'latencyMs?': positive,
  connections: count,
  maxConnections: count,
  leased: count,
  idle: count,
  waiters: count,
  utilization: positive,
  acquireTimeouts: count,
})

const second = object({
  second: count,
  ok: count,
  failed: count,
  causes,
  operations: causes,
  p50Ms: positive,
  p95Ms: positive,
  p99Ms: positive,
  maxMs: positive,
  usersIn: count,
  inFlight: count,
  waitingForSocket: count,
  loopLagMs: positive,
  'pool?': poolReading,
})

const loop = object({
  lagP50Ms: positive,
  lagP95Ms: positive,
  lagP99Ms: positive,
  lagMaxMs: positive,
  utilization: share,
})

/** JSON Schema of a result file, version 1. */
export const RESULT_SCHEMA = {
  $id: 'urn:cenote:load-result:1',
  title: 'Result of one cenote-load scenario',
  ...object({
    schemaVersion: { const: 1 },
    scenario: { type: 'string', minLength: 1 },
    target: text,
    startedAt: text,
    finishedAt: text,
    interrupted: { type: 'boolean' },
    passed: { type: 'boolean' },
    settings: object({
      model: {
        oneOf: [
          object({ kind: { const: 'closed' }, thinkTimeMs: positive }),
          object({ kind: { const: 'open' }, rate: positive }),
        ],
      },
      users: count,
      durationMs: positive,
      rampMs: positive,
      weights: object({ me: positive, refresh: positive, list: positive }),
      sockets: count,
      threads: count,
      timeoutMs: positive,
      loginRate: positive,
      loginConcurrency: count,
    }),
    machine: object({ node: text, platform: text, cpu: text, cores: count }),
    usersLoggedIn: count,
    phases: object({ login: positive, ramp: positive, steady: positive, logout: positive }),
    total: object({ ...figures, abandoned: count }),
    steady: object(figures),
    operations: list(object({ phase, operation, ...figures })),
    bursts: list(object({ firstStartMs: count, lastStartMs: count, fromMs: count, toMs: count, failures: count })),
    failureSamples: list(object({ atMs: count, phase, operation, cause: text, detail: text })),
    generator: object({
      loop,
      'cpu?': object({ cpuMs: positive, wallMs: positive, perRequestUs: positive }),
      clientLoop: percentiles,
      socketWait: percentiles,
      anatomy: object({ mean: timeShares, p95: timeShares }),
      shareOfP95: share,
      saturated: { type: 'boolean' },
    }),
    pool: object({
      readings: count,
      unreadable: count,
      maxUtilization: positive,
      maxWaiters: count,
      maxConnections: count,
      exhausted: count,
      'last?': poolReading,
    }),
    thresholds: list(
      object({
        name: text,
        limit: { type: 'number' },
        actual: { type: 'number' },
        bound: { enum: ['at least', 'at most'] },
        ok: { type: 'boolean' },
      }),
    ),
    timeline: list(second),
  }),
}

const validate = new Ajv({ allErrors: true }).compile(RESULT_SCHEMA)

/** Checks the shape as it will be after JSON. @throws Error listing what is wrong. */
export function assertResult(result: Result): void {
  const plain: unknown = JSON.parse(JSON.stringify(result))
  if (validate(plain)) return
  const problems = (validate.errors ?? []).map((problem) => `${problem.instancePath || '/'} ${problem.message}`)
  throw new Error(`the result does not fit its schema: ${problems.slice(0, 10).join('; ')}`)
}
