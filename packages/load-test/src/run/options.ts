import type { LoadModel } from '../engine/types.js'
import { LOOP_OPERATIONS, type Weights } from '../operations.js'
import type { Progress } from './progress.js'
import { isScenarioName, SCENARIOS, type ScenarioName, type Thresholds } from './scenarios.js'

/** Everything but `target` has a default; times in milliseconds, rates per second. Unknown keys throw. */
export interface LoadOptions {
  /** Address of the service: `http://127.0.0.1:3000`. */
  readonly target: string
  /** Named scenario the other defaults come from. Default `baseline`. */
  readonly scenario?: ScenarioName
  /** Name in the report; default the scenario's. */
  readonly name?: string
  readonly users?: number
  /** Length of the steady phase. */
  readonly durationMs?: number
  /** Time over which users (closed model) or the rate (open model) grow; not part of the steady figures. */
  readonly rampMs?: number
  /** Closed model: mean pause between a reply and the user's next request. */
  readonly thinkTimeMs?: number
  /** Open model: requests per second. Excludes `thinkTimeMs`. */
  readonly rate?: number
  readonly weights?: Weights
  /** Sockets to the service at most, over all threads. Default: the users, at most 256. */
  readonly sockets?: number
  /** Threads that generate load. Default 1: one core makes 20,000 requests per second and more. */
  readonly threads?: number
  /** A request without a complete reply after this long has failed. Default 10,000. */
  readonly timeoutMs?: number
  /** Logins started per second at most. Default 100. */
  readonly loginRate?: number
  /** Logins under way at once at most. Default 16. */
  readonly loginConcurrency?: number
  /** Addresses of the accounts; `{n}` is the user's number, at least four digits. Default `load{n}@example.test`. */
  readonly emailPattern?: string
  /** Password of all these accounts. */
  readonly password: string
  /** Replaces single limits of the scenario. */
  readonly thresholds?: Thresholds
  /** Stops the run early; the result so far is still reported, marked as interrupted. */
  readonly signal?: AbortSignal
  /** Called once a second. */
  readonly onProgress?: (progress: Progress) => void
}

export interface ResolvedOptions {
  readonly name: string
  readonly origin: string
  readonly model: LoadModel
  readonly users: number
  readonly durationMs: number
  readonly rampMs: number
  readonly weights: Weights
  readonly sockets: number
  readonly threads: number
  readonly timeoutMs: number
  readonly loginRate: number
  readonly loginConcurrency: number
  readonly emailPattern: string
  readonly password: string
  readonly thresholds: Thresholds
}

/** The options are unusable; the message names the key and what it takes. */
export class OptionsError extends Error {
  override readonly name = 'OptionsError'
}

const KEYS = new Set<keyof LoadOptions>([
  'target',
  'scenario',
  'name',
  'users',
  'durationMs',
  'rampMs',
  'thinkTimeMs',
  'rate',
  'weights',
  'sockets',
  'threads',
  'timeoutMs',
  'loginRate',
  'loginConcurrency',
  'emailPattern',
  'password',
  'thresholds',
  'signal',
  'onProgress',
])
const THRESHOLD_KEYS = new Set<keyof Thresholds>([
  'successRate',
  'p95Ms',
  'poolExhaustion',
  'utilization',
  'minRequests',
  'minSessionChecksPerSecond',
])
const DEFAULT_SOCKETS = 256
const MOST_USERS = 100_000

/** @throws OptionsError */
export function resolveOptions(options: LoadOptions): ResolvedOptions {
  rejectUnknown('option', options, KEYS)
  const name = options.scenario ?? 'baseline'
  if (!isScenarioName(name)) fail('scenario', `one of ${Object.keys(SCENARIOS).join(', ')}`, name)
  const scenario = SCENARIOS[name]
  if (options.rate !== undefined && options.thinkTimeMs !== undefined) {
    throw new OptionsError('rate (open model) and thinkTimeMs (closed model) exclude each other: give one of them')
  }
  const users = integer('users', options.users ?? scenario.users, 1, MOST_USERS)
  const threads = integer('threads', options.threads ?? 1, 1, 64)
  if (threads > users) fail('threads', `at most the number of users (${users})`, threads)
  const sockets = integer('sockets', options.sockets ?? Math.max(threads, Math.min(users, DEFAULT_SOCKETS)), 1, 60_000)
  if (sockets < threads) fail('sockets', `at least one per thread (${threads})`, sockets)
  if (typeof options.password !== 'string' || options.password === '') {
    throw new OptionsError('password is missing: the password the load accounts were seeded with')
  }
  return Object.freeze({
    name: options.name ?? name,
    origin: originOf(options.target),
    model:
      options.rate === undefined
        ? { kind: 'closed', thinkTimeMs: number('thinkTimeMs', options.thinkTimeMs ?? scenario.thinkTimeMs, 0, 3.6e6) }
        : { kind: 'open', rate: number('rate', options.rate, 0.1, 1e6) },
    users,
    durationMs: number('durationMs', options.durationMs ?? scenario.durationMs, 100, 8.64e7),
    rampMs: number('rampMs', options.rampMs ?? scenario.rampMs, 0, 3.6e6),
    weights: weights(options.weights ?? scenario.weights),
    sockets,
    threads,
    timeoutMs: number('timeoutMs', options.timeoutMs ?? 10_000, 50, 600_000),
    loginRate: number('loginRate', options.loginRate ?? 100, 0.1, 100_000),
    loginConcurrency: integer('loginConcurrency', options.loginConcurrency ?? 16, 1, 10_000),
    emailPattern: pattern(options.emailPattern ?? 'load{n}@example.test', users),
    password: options.password,
    thresholds: thresholds({ ...scenario.thresholds, ...options.thresholds }),
  } satisfies ResolvedOptions)
}

function rejectUnknown(what: string, given: object, known: ReadonlySet<string>): void {
  for (const key of Object.keys(given)) {
    if (!known.has(key)) throw new OptionsError(`unknown ${what} "${key}"; known are ${[...known].join(', ')}`)
  }
}

function originOf(target: string): string {
  let url: URL
  try {
    url = new URL(target)
  } catch {
    return fail('target', 'an address such as http://127.0.0.1:3000', target)
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') fail('target', 'http:// or https://', url.protocol)
  if (url.pathname !== '/' || url.search !== '') fail('target', 'an address without a path', url.pathname + url.search)
  if (url.username !== '' || url.password !== '') throw new OptionsError('target must not carry credentials')
  return url.origin
}

function number(key: string, value: number, min: number, max: number): number {
  if (typeof value !== 'number' || !(value >= min && value <= max)) fail(key, `a number from ${min} to ${max}`, value)
  return value
}

function integer(key: string, value: number, min: number, max: number): number {
  if (!Number.isInteger(value)) fail(key, `a whole number from ${min} to ${max}`, value)
  return number(key, value, min, max)
}

function weights(value: Weights): Weights {
  rejectUnknown('weight', value, new Set(LOOP_OPERATIONS))
  for (const key of LOOP_OPERATIONS) number(`weights.${key}`, value[key], 0, 1e6)
  if (value.me + value.refresh + value.list <= 0) throw new OptionsError('weights must not all be 0')
  return value
}

function pattern(value: string, users: number): string {
  if (!value.includes('{n}') && users > 1) fail('emailPattern', 'an address with {n} for the number of the user', value)
  return value
}

function thresholds(value: Thresholds): Thresholds {
  rejectUnknown('threshold', value, THRESHOLD_KEYS)
  for (const [key, limit] of Object.entries(value)) {
    if (limit === undefined) continue
    const share = key === 'successRate' || key === 'utilization'
    number(`thresholds.${key}`, limit, 0, share ? 1 : Number.MAX_SAFE_INTEGER)
  }
  return value
}

function fail(key: string, expected: string, given: unknown): never {
  throw new OptionsError(`${key} must be ${expected}, not ${JSON.stringify(given) ?? String(given)}`)
}
