import type { RedisServer, StartRedisOptions } from '@cenote/test-support'
import type { PoolOptions, RedisPool } from 'cenote'
import type { ChaosClient } from './client.js'
import type { Network } from './network.js'
import type { FaultProxy } from './proxy.js'
import type { Random } from './random.js'
import type { Call, Workload } from './workload.js'

/** One run's server, path, client and load, in the hands of a fault. */
export interface World {
  readonly server: RedisServer
  readonly random: Random
  readonly client: ChaosClient
  /** The pool itself, when the client is cenote; for faults that need more than commands. */
  readonly pool: RedisPool | undefined
  readonly load: Workload
  /** Present when the scenario asks for it. */
  readonly proxy: FaultProxy
  readonly network: Network
  pause(milliseconds: number): Promise<void>
  /** The fault begins now. */
  injected(): void
  /** From now on nothing is in the way of service. */
  healed(): void
  /** Writes acknowledged before now may be gone. */
  forgets(): void
}

export interface Scenario {
  readonly name: string
  /** One line for people: what happens. */
  readonly title: string
  readonly path?: 'direct' | 'proxy' | 'network'
  readonly server?: StartRedisOptions
  readonly pool?: PoolOptions
  /** Deadline of a command, ms. Default 1,500. */
  readonly timeoutMs?: number
  readonly callers?: number
  readonly mix?: readonly Call['kind'][]
  readonly credentials?: { readonly username: string; readonly password: () => string }
  /** A name to resolve instead of the address. */
  readonly hostName?: string
  /** From the moment nothing is in the way; cenote must serve by then. */
  readonly servedWithinMs?: number
  /** Only what cenote offers can be put to this test. */
  readonly cenoteOnly?: boolean
  /** Left out of the short form. */
  readonly long?: boolean
  /** RESP replies carry no names: a middle box that doubles or swallows one shifts the rest. How many may go astray. */
  readonly mayMisdeliver?: boolean
  prepare?(server: RedisServer): Promise<void>
  run(world: World): Promise<void>
  /** Complaints beyond the invariants. */
  check?(world: World): string[]
}
