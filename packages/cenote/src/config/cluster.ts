import { ConfigError } from '../errors.js'
import { parseEndpoint, type SeedEndpoint } from './endpoints.js'
import { type NatMap, natMap } from './nat-map.js'
import { isObject, plainCopy } from './plain.js'
import { flag, integer, milliseconds, onlyInCode, orNull, type Rule } from './rule.js'
import { checkKeys } from './unknown-key.js'
import { parseUrl } from './url.js'

/** A node to start from: URL, `'host:port'`, port of this machine, or as ioredis has it; `db` is dropped. */
export type ClusterNode =
  | string
  | number
  | { host?: string | null; port?: number | string | null; [option: string]: unknown }

/** As of `dns.lookup`. */
export type DnsLookup = (
  hostname: string,
  callback: (error: NodeJS.ErrnoException | null | undefined, address: string, family?: number) => void,
) => void

/** As of `dns.resolveSrv`. */
export type ResolveSrv = (
  hostname: string,
  callback: (
    error: NodeJS.ErrnoException | null | undefined,
    records?: { name: string; port: number; priority: number; weight: number }[],
  ) => void,
) => void

/** The form of the option `cluster` that says more than its nodes. Times are milliseconds. */
export interface ClusterSettings {
  nodes: readonly ClusterNode[]
  /** Redirects (MOVED, ASK) that one command follows. Default 16. */
  maxRedirections?: number
  /** For one look at the cluster's slots. Default 1,000. */
  slotsRefreshTimeoutMs?: number
  /** Time between looks at the slots without a cause, spread by jitter. 0: none. Default 60,000; ioredis has none. */
  slotsRefreshIntervalMs?: number
  /** Wait before following MOVED. Default 0. */
  movedDelayMs?: number
  /** Wait before a command goes out again whose node was lost. Default 100. */
  failoverDelayMs?: number
  /** Wait after CLUSTERDOWN. Default 100. */
  clusterDownDelayMs?: number
  /** Wait after TRYAGAIN. Default 100. */
  tryAgainDelayMs?: number
  /** Asked before all nodes are tried again; anything but a number ends the pool. Default 100 ms and 2 more each time, at most 2 s. */
  retryStrategy?: ((times: number, reason?: Error) => unknown) | null
  /** The names of the nodes are those of SRV records. Default false. */
  useSRVRecords?: boolean
  /** Default `dns.resolveSrv`. */
  resolveSrv?: ResolveSrv
  /** Default `dns.lookup`. */
  dnsLookup?: DnsLookup
  /** Addresses that nodes announce, and where they are reached from here. Default none. */
  natMap?: NatMap | null
}

/** Cluster after defaults and checks. */
export interface ResolvedCluster
  extends Readonly<Required<Omit<ClusterSettings, 'nodes' | 'resolveSrv' | 'dnsLookup' | 'natMap' | 'retryStrategy'>>> {
  /** Seeds: kept for ever, resolved anew. Never empty. */
  readonly nodes: readonly SeedEndpoint[]
  readonly retryStrategy: ((times: number, reason?: Error) => unknown) | null
  readonly resolveSrv: ResolveSrv | undefined
  readonly dnsLookup: DnsLookup | undefined
  readonly natMap: NatMap | undefined
}

const fn = onlyInCode((value) => typeof value === 'function', 'a function')

const SETTINGS: Readonly<Record<Exclude<keyof ClusterSettings, 'nodes'>, Rule>> = {
  maxRedirections: integer(0, 1_000),
  slotsRefreshTimeoutMs: integer(1, 2 ** 31 - 1),
  slotsRefreshIntervalMs: milliseconds,
  movedDelayMs: milliseconds,
  failoverDelayMs: milliseconds,
  clusterDownDelayMs: milliseconds,
  tryAgainDelayMs: milliseconds,
  retryStrategy: orNull(fn),
  useSRVRecords: flag,
  resolveSrv: fn,
  dnsLookup: fn,
  natMap: orNull(natMap),
}

const DEFAULTS = {
  maxRedirections: 16,
  slotsRefreshTimeoutMs: 1_000,
  slotsRefreshIntervalMs: 60_000,
  movedDelayMs: 0,
  failoverDelayMs: 100,
  clusterDownDelayMs: 100,
  tryAgainDelayMs: 100,
  retryStrategy: (times: number) => Math.min(100 + times * 2, 2_000),
  useSRVRecords: false,
  resolveSrv: undefined,
  dnsLookup: undefined,
  natMap: undefined,
}

/** ioredis' default for a node without a host. */
const HERE = { host: '127.0.0.1', port: 6379 }

export interface ParsedClusterNodes {
  readonly nodes: readonly SeedEndpoint[]
  /** What the nodes say besides their address (credentials, TLS, …). It holds for the whole cluster. */
  readonly options: Record<string, unknown>
  /** The same from the query of URLs, still as text. */
  readonly parameters: Record<string, string>
}

/**
 * The nodes in every form that `new Cluster(nodes)` of ioredis takes, or a comma-separated text. `db` is dropped, since a
 * cluster has only database 0.
 * @throws ConfigError naming the entry, or what two entries say differently
 */
export function parseClusterNodes(given: unknown, label = 'cluster'): ParsedClusterNodes {
  const entries = typeof given === 'string' ? splitNodes(given) : given
  if (!Array.isArray(entries) || entries.length === 0) {
    throw new ConfigError(`${label} must be a list of at least one node: URL, host:port, port or { host, port }`)
  }
  const nodes = new Map<string, SeedEndpoint>()
  const options: Record<string, unknown> = {}
  const parameters: Record<string, string> = {}
  entries.forEach((entry: unknown, index) => {
    const where = `${label}[${index}]`
    const node = readNode(entry, where)
    const { host, port, family, db: _, ...more } = node.given
    const endpoint = parseEndpoint({ host, port, family }, where, HERE)
    nodes.set(`${endpoint.host}\n${endpoint.port}`, endpoint)
    gather(more, options, label, where)
    gather(node.parameters, parameters, label, where)
  })
  return { nodes: [...nodes.values()], options, parameters }
}

function gather(from: Record<string, unknown>, into: Record<string, unknown>, label: string, where: string): void {
  for (const [key, value] of Object.entries(from)) {
    if (value === undefined || value === null) continue
    if (into[key] !== undefined && into[key] !== value) {
      throw new ConfigError(
        `${where}.${key} differs from that of an earlier node; what all nodes share goes beside ${label}, once`,
      )
    }
    into[key] = value
  }
}

/** Commas part the nodes; where they are URLs only those before a scheme do, since a password may hold others. */
const splitNodes = (text: string): string[] =>
  text.split(text.includes('://') ? /,(?=[a-z]+:\/\/)/ : ',').filter((node) => node.trim() !== '')

interface GivenNode {
  given: Record<string, unknown>
  parameters: Record<string, string>
}

function readNode(entry: unknown, label: string): GivenNode {
  if (typeof entry === 'number') return { given: { port: entry }, parameters: {} }
  if (isObject(entry)) return { given: plainCopy(entry), parameters: {} }
  if (typeof entry !== 'string') throw new ConfigError(`${label} must be a URL, host:port, port or { host, port }`)
  if (/^\d+$/.test(entry)) return { given: { port: entry }, parameters: {} }
  const { parameters, ...address } = parseUrl(entry, label)
  if (address.path !== undefined || address.sentinels !== undefined || address.cluster !== undefined) {
    throw new ConfigError(`${label} must name one server: redis://host:port`)
  }
  const { db: _, ...used } = parameters
  return { given: { ...address }, parameters: used }
}

/** The option `cluster` as given: its nodes, or an object with them. */
export const cluster: Rule = {
  check(value, label) {
    if (!isObject(value)) return parseClusterNodes(value, label)
    const { nodes, ...settings } = plainCopy(value)
    checkKeys(`key in ${label}:`, settings, Object.keys(SETTINGS))
    const checked: Record<string, unknown> = {}
    for (const [key, setting] of Object.entries(settings)) {
      if (setting === undefined) continue
      checked[key] = SETTINGS[key as keyof typeof SETTINGS].check(setting, `${label}.${key}`)
    }
    return { ...parseClusterNodes(nodes, `${label}.nodes`), settings: checked }
  },
  read: (text, label) => parseClusterNodes(text, label),
}

/** The option after its check. */
export interface CheckedCluster extends ParsedClusterNodes {
  readonly settings?: Record<string, unknown>
}

/** @param shared the `natMap` given beside `cluster` */
export function resolveCluster(
  checked: CheckedCluster | undefined,
  shared: NatMap | null,
): ResolvedCluster | undefined {
  if (checked === undefined) return undefined
  const settings = { ...DEFAULTS, ...checked.settings }
  const natMap = checked.settings?.natMap ?? shared ?? undefined
  return Object.freeze({ ...settings, natMap, nodes: Object.freeze(checked.nodes) }) as ResolvedCluster
}
