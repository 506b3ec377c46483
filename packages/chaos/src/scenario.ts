import type { RedisServer, StartRedisOptions } from '@cenote/test-support'
import type { PoolOptions, RedisPool } from 'cenote'
import type { ChaosClient } from './client.js'
import type { SubscriptionLoad } from './load/subscription.js'
import type { Role, Workload } from './load/workload.js'
import type { Network } from './network.js'
import type { FaultProxy } from './proxy.js'
import type { Random } from './random.js'

/** One run's server, path, client and load, in the hands of a fault. */
export interface World {
  readonly server: RedisServer
  readonly random: Random
  readonly client: ChaosClient
  /** The pool itself, when the client is cenote; for faults that need more than commands. */
  readonly pool: RedisPool | undefined
  readonly load: Workload
  /** Undefined when the load or the client has none. */
  readonly subscription: SubscriptionLoad | undefined
  /** Present when the scenario asks for it. */
  readonly proxy: FaultProxy
  readonly network: Network
  pause(milliseconds: number): Promise<void>
  /** Stops this process where it stands, from outside. Only with `ownProcess`. */
  freeze(milliseconds: number): Promise<void>
  /** The fault begins now. */
  injected(): void
  /** From now on nothing is in the way of service. */
  healed(): void
  /** Writes acknowledged before now may be gone. */
  forgets(): void
  /** Somebody was served since the healing. */
  served(): boolean
  /** Names something that went wrong, beyond the invariants. */
  complain(text: string): void
}

export interface Scenario {
  readonly name: string
  /** One line for people: what happens. */
  readonly title: string
  readonly path?: 'direct' | 'proxy' | 'network'
  readonly server?: StartRedisOptions
  /** Connect with TLS. */
  readonly tls?: boolean
  readonly pool?: PoolOptions
  /** Deadline of a command, ms. Default 1,500. */
  readonly timeoutMs?: number
  /** Default: the whole load, 40 callers of ordinary commands and batches among them. */
  readonly roles?: readonly Role[]
  readonly credentials?: { readonly username: string; readonly password: () => string }
  /** A name to resolve instead of the address. */
  readonly hostName?: string
  /** Channels the fault takes away for a while. */
  readonly refusedChannels?: readonly string[]
  /** From the moment nothing is in the way; cenote must serve by then. */
  readonly servedWithinMs?: number
  /** Only what cenote offers can be put to this test. */
  readonly cenoteOnly?: boolean
  /** Left out of the short form. */
  readonly long?: boolean
  /** The load runs in a process of its own: it is frozen, or its application throws. */
  readonly ownProcess?: boolean
  /** RESP replies carry no names: a middle box that doubles or swallows one shifts the rest. How many may go astray. */
  readonly mayMisdeliver?: boolean
  prepare?(server: RedisServer, network: Network | undefined): Promise<void>
  run(world: World): Promise<void>
  /** Puts back what `prepare` changed in this process. */
  cleanUp?(): void
  /** Complaints beyond the invariants. */
  check?(world: World): string[] | Promise<string[]>
}
