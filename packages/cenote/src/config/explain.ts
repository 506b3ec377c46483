import type { CheckedCluster } from './cluster.js'
import { describeEndpoints, type SeedEndpoint } from './endpoints.js'
import { VARIABLES } from './environment.js'
import type { PoolOptions } from './options.js'
import { type Environment, PRESETS } from './presets.js'
import { type Resolution, resolve } from './resolve.js'
import { type OptionName, OWN_RULES } from './rules.js'

/** One option as it will be. */
export interface ExplainedOption {
  readonly option: string
  /** Null: not set. Secrets are `set`; of objects and functions only their kind or their keys are told. */
  readonly value: string | number | boolean | null
  /** `default`, `preset production`, the variables, `URL` (given in code), or `code`. */
  readonly source: string
}

/** A variable that is set and has no effect. */
export interface UnusedVariable {
  readonly variable: string
  readonly reason: string
}

/** What the processes of a deployment hold together. */
export interface ExplainedDeployment {
  readonly environment: Environment
  /** Connections that the preset allows the whole deployment. */
  readonly budget: number
  readonly workers: number
  /** Connections that one process may hold. */
  readonly perProcess: number
  /** `workers` × `perProcess`: more than `budget` when the settings say so, or when there are too many workers to share it. */
  readonly atMost: number
}

export interface Explanation {
  readonly options: readonly ExplainedOption[]
  readonly unused: readonly UnusedVariable[]
  readonly deployment: ExplainedDeployment
}

/**
 * What a pool made with these arguments would use, and where each value comes from. Shows no secret.
 * @throws ConfigError as the pool itself would
 */
export function explain(
  url: string | undefined,
  given: PoolOptions,
  variables: NodeJS.ProcessEnv = process.env,
): Explanation {
  const resolution = resolve(url, given, variables)
  return {
    options: rows(resolution),
    unused: unusedVariables(resolution, variables),
    deployment: deployment(resolution),
  }
}

/** The options alone. @throws ConfigError as the pool itself would */
export function explainOptions(
  url: string | undefined,
  given: PoolOptions,
  variables: NodeJS.ProcessEnv = process.env,
): readonly ExplainedOption[] {
  return explain(url, given, variables).options
}

function rows({ settings }: Resolution): ExplainedOption[] {
  const names = new Set([...(Object.keys(OWN_RULES) as OptionName[]), ...settings.keys()])
  return [...names].flatMap((option) => {
    const setting = settings.get(option)
    if (setting === undefined) return [{ option, value: null, source: 'default' }]
    const { value, source } = setting
    const row = { option, value: show(option, value), source }
    if (option !== 'cluster') return [row]
    const more = Object.entries((value as CheckedCluster).settings ?? {})
    return [row, ...more.map(([key, nested]) => ({ option: `cluster.${key}`, value: show(key, nested), source }))]
  })
}

function show(option: string, value: unknown): ExplainedOption['value'] {
  if (option === 'password' || option === 'sentinelPassword') return 'set'
  if (option === 'tls' || option === 'sentinelTLS') return showTls(value)
  if (option === 'sentinels') return describeEndpoints(value as SeedEndpoint[])
  if (option === 'cluster') return describeEndpoints((value as CheckedCluster).nodes)
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value.join(', ')
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'object' && value !== null) return option === 'scripts' ? Object.keys(value).join(', ') : 'set'
  return (value ?? null) as ExplainedOption['value']
}

function showTls(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'on' : 'off'
  const keys = Object.keys(value as object)
  return keys.length === 0 ? 'on' : `on (${keys.join(', ')})`
}

/** Kubernetes' and Docker's, which nobody set. */
const INJECTED = /^REDIS_(?:SERVICE_|PORT_|ENV_|NAME$)/

function unusedVariables({ unused }: Resolution, variables: NodeJS.ProcessEnv): UnusedVariable[] {
  const unknown = Object.keys(variables).filter(
    (name) => name.startsWith('REDIS_') && !VARIABLES.includes(name) && !INJECTED.test(name),
  )
  return [
    ...[...unused].map(([variable, reason]) => ({ variable, reason })),
    ...unknown.map((variable) => ({ variable, reason: 'the pool knows no such variable' })),
  ]
}

function deployment({ options }: Resolution): ExplainedDeployment {
  const { environment, workers, maxConnections } = options
  return {
    environment,
    budget: PRESETS[environment].budget,
    workers,
    perProcess: maxConnections,
    atMost: workers * maxConnections,
  }
}
