import type {
  RedisCluster,
  RedisServer,
  SentinelSet,
  StartClusterOptions,
  StartSentinelsOptions,
} from '@cenote/test-support'
import type { RedisPool } from 'cenote'
import type { ChaosClient } from '../client.js'
import type { SubscriptionLoad } from '../load/subscription.js'
import type { Role, Workload } from '../load/workload.js'
import type { Random } from '../random.js'

/** Where and how a client is to find the servers. */
export interface TopologyAddress {
  readonly topology: 'cluster' | 'sentinel'
  readonly seeds: readonly { readonly host: string; readonly port: number }[]
  /** Of the primary, with sentinels. */
  readonly name: string
  readonly password?: string
  readonly sentinelPassword?: string
  /** Authority that signed the servers' certificates; undefined without TLS. */
  readonly ca?: string
  /** Deadline of a command, ms, for clients that can be given one. */
  readonly timeoutMs: number
  readonly readFrom: 'primary' | 'replicas'
  readonly sharded: boolean
}

export type OpenTopologyClient = (address: TopologyAddress) => ChaosClient | Promise<ChaosClient>

/** One run in the hands of a fault. */
export interface TopologyWorld {
  readonly random: Random
  readonly client: ChaosClient
  readonly pool: RedisPool | undefined
  readonly load: Workload
  readonly subscription: SubscriptionLoad | undefined
  pause(milliseconds: number): Promise<void>
  /** The fault begins now. */
  injected(): void
  /** From now on the servers serve again. */
  healed(): void
  /**
   * Waits until the server takes the writes of this group, as a client that knows nothing of topologies sees it, and
   * calls {@link healed} for that moment.
   * @param since as of `performance.now()`, for a server that had served before. Default: the beginning of the fault
   */
  servedBy(server: RedisServer, options?: { group?: number; since?: number }): Promise<void>
  /** Somebody was served on every group that was touched, since the healing. */
  served(): boolean
  complain(text: string): void
}

interface Common<Servers> {
  /** As in the list of faults that topologies are to survive. */
  readonly number: number
  readonly name: string
  /** One line for people: what happens. */
  readonly title: string
  /** Deadline of a command, ms. Default 5,000. */
  readonly timeoutMs?: number
  readonly roles?: readonly Role[]
  /** Groups whose service the fault may interrupt, by index; the others must not notice. */
  readonly touches: readonly number[]
  /** No caller may get an error, on any group. */
  readonly noErrors?: boolean
  /** Why servers may throw acknowledged writes of the touched groups away. Undefined: nothing may be lost. */
  readonly mayLose?: string
  /** From the servers' own recovery to service on every touched group. Default 500. */
  readonly servedWithinMs?: number
  /** The longest any caller may have waited for a reply that came. */
  readonly longestWaitMs?: number
  /** Refreshes of the map by the client, from the fault on. */
  readonly mostRefreshes?: number
  readonly readFrom?: 'replicas'
  /** Subscribe to channels that lie in slots. */
  readonly sharded?: boolean
  /** Takes longer than a few seconds. */
  readonly long?: boolean
  /** Clients that cannot be put to this test, and why. */
  readonly notFor?: Readonly<Record<string, string>>
  /** Where the client begins. Default: every node, or every sentinel. */
  seeds?(servers: Servers): readonly { host: string; port: number }[]
  /** Once the servers are up, before the client connects. */
  prepare?(servers: Servers): Promise<unknown>
  cleanUp?(): void | Promise<void>
  run(world: TopologyWorld, servers: Servers): Promise<void>
  /** Complaints beyond the invariants. */
  check?(world: TopologyWorld, servers: Servers): string[] | Promise<string[]>
}

export interface ClusterScenario extends Common<RedisCluster> {
  readonly topology: 'cluster'
  readonly servers?: StartClusterOptions
  /** Slots under load per primary. Default 4. */
  readonly tagsPerPrimary?: number
}

export interface SentinelScenario extends Common<SentinelSet> {
  readonly topology: 'sentinel'
  readonly servers?: StartSentinelsOptions
}

export type TopologyScenario = ClusterScenario | SentinelScenario
