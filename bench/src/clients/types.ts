import type { Target } from '../job.js'
import type { FloorText } from './floor-codec.js'

/** What a workload needs to tell a client before it connects. */
export interface ClientNeeds {
  /** How the floor treats text; the others know by themselves. */
  readonly text: FloorText
  /** Callers that will hold a connection of their own. */
  readonly dedicated: number
}

export interface Hash {
  readonly fields: readonly string[]
  readonly values: readonly string[]
}

/** A Lua script in the forms clients ask for. */
export interface ScriptSource {
  readonly text: string
  readonly sha: string
}

export interface TransactionKeys {
  readonly value: string
  readonly counter: string
}

/**
 * A client as the workloads see it: thin over the client's own methods, each at its natural way of saying a thing.
 * Where clients differ in the shape of a reply, the adapter compares it in place and says whether it was right, so that
 * nobody pays for a conversion that a user would not make.
 */
export interface BenchClient {
  get(key: string): Promise<unknown>
  set(key: string, value: string): Promise<unknown>
  getBuffer(key: string): Promise<unknown>
  setBuffer(key: string, value: Buffer): Promise<unknown>
  mget(keys: string[]): Promise<unknown>
  lrange(key: string): Promise<unknown>
  hgetall(key: string, expected: Hash): Promise<boolean>
  /** GETs of all keys in one pipeline. */
  pipelineGets(keys: readonly string[], expected: readonly string[]): Promise<boolean>
  /** MULTI: SET value, GET value, INCR counter (to `count`), GET counter, STRLEN value; EXEC. */
  transaction(keys: TransactionKeys, value: string, count: number): Promise<boolean>
  /** EVALSHA with one key and one argument. */
  script(source: ScriptSource, key: string, argument: string): Promise<unknown>
  /** What a caller uses who blocks or watches, by the client's own advice: usually a connection of its own. */
  dedicated(): Promise<DedicatedCaller>
  close(): Promise<void>
}

export interface DedicatedCaller {
  /** BLPOP; the element, or null after `seconds`. */
  blockingPop(key: string, seconds: number): Promise<string | null>
  /** WATCH, GET, MULTI, SET to one more, EXEC. True when it was committed. */
  watchIncrement(key: string): Promise<boolean>
  close(): Promise<void>
}

/** @param connections how many to hold; each kind says what 1 means to it */
export type ClientFactory = (target: Target, connections: number, needs: ClientNeeds) => Promise<BenchClient>
