import type { ConnectionOptions as TlsOptions } from 'node:tls'
import { ConfigError } from '../errors.js'
import { type CheckedCluster, resolveCluster } from './cluster.js'
import { settingsInCode } from './code.js'
import { checkTogether } from './contradictions.js'
import { settingsOfEnvironment } from './environment.js'
import { IOREDIS_DEFAULTS, isIoredisOption } from './ioredis-options.js'
import type { PoolOptions, ResolvedOptions } from './options.js'
import { type Environment, PRESETS } from './presets.js'
import { OWN_RULES, type OwnOption, RETRY_OPTIONS } from './rules.js'
import { type FlatSentinel, resolveSentinel } from './sentinel.js'
import type { Settings } from './settings.js'

const OWN_NAMES = Object.keys(OWN_RULES).filter((name) => !name.includes('.')) as OwnOption[]

/** The options, with where each came from. */
export interface Resolution {
  readonly options: ResolvedOptions
  /** Every option that has a value, the ones of ioredis only if given. */
  readonly settings: Settings
  /** Variables that are set and have no effect, with the reason. */
  readonly unused: ReadonlyMap<string, string>
}

/**
 * Options for a pool: presets, then the environment, then what code gives (a URL before options), each overriding those
 * before it, value by value. See {@link settingsOfEnvironment} for what belongs to an address.
 * @throws ConfigError naming the bad key and what is accepted
 */
export function resolveOptions(
  url: string | undefined,
  given: PoolOptions,
  variables: NodeJS.ProcessEnv = process.env,
): ResolvedOptions {
  const { options } = resolve(url, given, variables)
  refuseTopology(options)
  return options
}

/** Sentinel is understood but not connected yet. Goes, with its one call, when they are. */
function refuseTopology(options: ResolvedOptions): void {
  if (options.sentinel === undefined) return
  throw new ConfigError(
    'sentinels must be left out: Sentinel is not supported by this option; give host and port of the master',
  )
}

/** The one way from what was said to options; also for Sentinel and Cluster. @throws ConfigError */
export function resolve(url: string | undefined, given: PoolOptions, variables: NodeJS.ProcessEnv): Resolution {
  const code = settingsInCode(url, given)
  const outside = settingsOfEnvironment(variables, code)
  const settings: Settings = new Map()
  for (const [name, { fallback }] of Object.entries(OWN_RULES)) {
    if (fallback !== undefined) settings.set(name as OwnOption, { value: fallback, source: 'default' })
  }
  for (const [name, setting] of outside.settings) settings.set(name, setting)
  for (const [name, setting] of code) settings.set(name, setting)
  // `tls: true` in code switches on what the environment describes.
  const described = outside.settings.get('tls')
  if (code.get('tls')?.value === true && described !== undefined) settings.set('tls', described)
  addPreset(settings)
  checkTogether(settings)
  return { options: build(settings), settings, unused: outside.unused }
}

function addPreset(settings: Settings): void {
  const environment = settings.get('environment')!.value as Environment
  const { workers, budget } = PRESETS[environment]
  const source = `preset ${environment}`
  if (!settings.has('workers')) settings.set('workers', { value: workers, source })
  if (!settings.has('maxConnections')) {
    const share = Math.floor(budget / (settings.get('workers')!.value as number))
    settings.set('maxConnections', { value: Math.max(2, share), source })
  }
}

function build(settings: Settings): ResolvedOptions {
  const flat: Record<string, unknown> = { ...IOREDIS_DEFAULTS }
  const retry: Record<string, unknown> = {}
  for (const name of OWN_NAMES) flat[name] = settings.get(name)?.value
  for (const name of RETRY_OPTIONS) retry[name.slice('retry.'.length)] = settings.get(name)?.value
  for (const [name, { value }] of settings) if (isIoredisOption(name)) flat[name] = value
  const { sentinels, natMap } = flat as Pick<ResolvedOptions, 'sentinels' | 'natMap'>
  const plain = sentinels !== null && settings.get('enableTLSForSentinelMode')?.value === false
  const tls = flat.tls === false || plain ? undefined : (flat.tls as TlsOptions | true | undefined)
  flat.tls = tls
  flat.sentinel = resolveSentinel(flat as FlatSentinel, tls)
  if (sentinels !== null) flat.enableTLSForSentinelMode = tls !== undefined
  flat.cluster = resolveCluster(flat.cluster as CheckedCluster | undefined, natMap)
  flat.retry = Object.freeze(retry)
  flat.connectTimeout = flat.connectTimeoutMs
  // For ioredis 0 is no time at all, not "none".
  flat.commandTimeout = flat.commandTimeoutMs || undefined
  // Copied, because an object grown key by key is slow to read, and these are read for every command.
  return Object.freeze({ ...flat }) as unknown as ResolvedOptions
}
