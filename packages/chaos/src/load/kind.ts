import type { RawReply } from '@cenote/test-support'
import type { ChaosClient } from '../client.js'
import type { Random } from '../random.js'
import type { Call, KindName } from './call.js'

/** The keys of the load: each shard's keys share a hash tag, so that a shard lies in one slot. */
export class Keys {
  /** @param spread shards lie on several servers: a command without a key says nothing about any of them */
  constructor(
    readonly tags: readonly string[] = ['0', '1', '2', '3', '4', '5', '6', '7'],
    readonly spread = false,
  ) {}

  get shards(): number {
    return this.tags.length
  }

  of(name: string, shard: number): string {
    return `${name}:{${this.tags[shard]}}`
  }
}

/** What a kind of call needs to be issued. */
export interface Hands {
  readonly client: ChaosClient
  readonly random: Random
  readonly keys: Keys
  /** Databases can be chosen: not on a cluster. */
  readonly databases: boolean
}

/** What the servers hold, asked past whatever is broken. */
export interface Truth {
  readonly keys: Keys
  /** Asks the server that owns the key. */
  ask(key: string, ...command: string[]): Promise<RawReply>
  /** An acknowledged write is gone. Whether that is to be held against the client: a server may have thrown it away. */
  lost(call: Call): boolean
  /** The same for so many increments of a shard's counter: which ones, nobody knows. */
  incrementsLost(shard: number, count: number): boolean
  /** Servers may have thrown acknowledged writes of this shard away. */
  forgetful(shard: number): boolean
  readonly databases: boolean
}

/** How what callers were told can differ from what the server holds. */
export type Flaw =
  | 'lost'
  | 'doubled'
  | 'falseNo'
  | 'torn'
  | 'incrementsTwice'
  | 'incrementsLost'
  | 'unprotected'
  | 'wrongDatabase'
  | 'elementsLost'
  | 'elementsTwice'

export type Flaws = Record<Flaw, number>

export function noFlaws(): Flaws {
  return {
    lost: 0,
    doubled: 0,
    falseNo: 0,
    torn: 0,
    incrementsTwice: 0,
    incrementsLost: 0,
    unprotected: 0,
    wrongDatabase: 0,
    elementsLost: 0,
    elementsTwice: 0,
  }
}

/** One sort of request: how it is made, and how its callers' knowledge is compared with the server's. */
export interface Kind {
  readonly name: KindName
  offered(client: ChaosClient): boolean
  /** How long it may take where one command may take `timeoutMs`. Default: as long as one command. */
  limitMs?(timeoutMs: number): number
  /** Rejects with the client's error; sets what the reply told. */
  issue(call: Call, hands: Hands): Promise<void>
  /** @param of the calls of each kind */
  audit?(of: (kind: KindName) => readonly Call[], truth: Truth, flaws: Flaws): Promise<void>
}

/** How often each text is in the list of each shard. */
export async function countEach(truth: Truth, name: string): Promise<Map<string, number>> {
  const found = new Map<string, number>()
  for (let shard = 0; shard < truth.keys.shards; shard++) {
    const key = truth.keys.of(name, shard)
    for (const id of (await truth.ask(key, 'LRANGE', key, '0', '-1')) as string[]) {
      found.set(id, (found.get(id) ?? 0) + 1)
    }
  }
  return found
}
