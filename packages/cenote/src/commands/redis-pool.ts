import { type ConstructorArgument, inheritOptions, readArguments } from '../config/arguments.js'
import { type CallOptions, checkCallOptions } from '../config/call-options.js'
import type { PoolOptions, ResolvedOptions } from '../config/options.js'
import { resolveOptions } from '../config/resolve.js'
import type { Command, Transform } from '../connection/command.js'
import { ReplyError } from '../errors.js'
import { type CommandSpec, lookupCommand } from '../metadata/lookup.js'
import type { AcquireOptions } from '../node/leases.js'
import type { HealthReport, PoolStats } from '../observe/report.js'
import type { CommandArg } from '../wire/encode.js'
import { type ArgumentInput, type Callback, callBack } from './args.js'
import { type BatchEntry, toEntries } from './batch.js'
import type { CallView } from './call-view.js'
import { Client } from './client.js'
import { Commander, type CustomCommands, DISPATCH, installCommands } from './commander.js'
import type { Commands } from './commands.generated.js'
import type { Core } from './core.js'
import { installExtras, type RedisExtras } from './extras.js'
import type { Lease } from './lease.js'
import type { PoolStatus } from './lifecycle.js'
import type { Monitor } from './monitor.js'
import type { BatchTarget, CommandList, Pipeline } from './pipeline.js'
import { installScanStreams, type ScanStreams } from './scan-methods.js'
import type { Script, ScriptOptions } from './script.js'

export type { PoolStatus } from './lifecycle.js'

const NO_OPTIONS: CallOptions = {}

/** Passed inside the options of a duplicate: the client whose budget it shares. */
const HOME: unique symbol = Symbol('cenote.home')

/**
 * Everything behind the public object. A property under a symbol, not a private field: applications wrap clients in
 * proxies and derive objects from them, which private fields do not follow.
 */
const CLIENT: unique symbol = Symbol('cenote.client')

type PoolCommands = Omit<Commands<'promise'>, 'multi' | 'quit' | 'monitor' | 'exec' | 'execBuffer'>

export interface RedisPool extends PoolCommands, CustomCommands<'promise'>, ScanStreams, RedisExtras {}

/**
 * One object that takes every Redis command and puts it on the right connection: ordinary ones share pipelined lanes,
 * blocking ones and {@link withConnection} get a connection of their own. See `docs/` for the rules.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the methods are installed on the prototype
export class RedisPool extends Commander implements BatchTarget, AsyncDisposable {
  /**
   * As given, with defaults filled in; has the keys that ioredis' `options` has. A copy that can be written, because
   * libraries do: a `connectionName` put here is the one of connections opened from then on.
   */
  readonly options: ResolvedOptions
  /** For reading. Libraries that write it change nothing but what others read. */
  status: PoolStatus = 'wait'
  readonly isCluster = false
  static readonly ReplyError = ReplyError
  /** The class itself, for those who import it either way. */
  static get default(): typeof RedisPool {
    return RedisPool
  }
  declare private readonly [CLIENT]: Client

  /** @throws ConfigError for unknown or contradictory options */
  constructor(options?: PoolOptions)
  constructor(url: string, options?: PoolOptions)
  constructor(port: number, options?: PoolOptions)
  constructor(port: number, host: string, options?: PoolOptions)
  constructor(...args: ConstructorArgument[]) {
    super()
    const { url, given } = readArguments(args)
    this.options = { ...resolveOptions(url, given) }
    const client = new Client(this, this.options, (given as { [HOME]?: Core })[HOME])
    Object.defineProperty(this, CLIENT, { value: client })
    try {
      for (const [name, script] of Object.entries(this.options.scripts ?? {})) this.defineCommand(name, script)
    } catch (error) {
      // Nobody will ever hold this object to close it.
      client.disconnect(false)
      throw error
    }
    if (!this.options.lazyConnect) client.connect().catch(() => undefined)
  }

  [DISPATCH](
    spec: CommandSpec,
    args: ArgumentInput[],
    flags: number,
    transform: Transform | undefined,
    script?: Script,
  ): Promise<unknown> {
    return this[CLIENT].dispatch(spec, args, flags, transform, script)
  }

  /** Replies keep the shapes of RESP3. */
  get rawReplies(): boolean {
    return this[CLIENT].rawReplies
  }

  prefixKeys(spec: CommandSpec, args: CommandArg[]): void {
    this[CLIENT].prefixKeys(spec, args)
  }

  /** Commands gathered and sent together by `exec()`. @throws TypeError when the list names an unknown command */
  pipeline(commands?: CommandList): Pipeline {
    return this[CLIENT].newPipeline(this, false, commands)
  }

  /**
   * Commands sent as one MULTI … EXEC by `exec()`; strangers' commands never come in between. With
   * `{ pipeline: false }` MULTI is sent at once, and the caller's commands are queued on a connection of its own until
   * `exec()` or `discard()`.
   */
  multi(options: { pipeline: false }): Promise<'OK'>
  multi(commands?: CommandList, options?: { pipeline?: true }): Pipeline
  multi(first?: CommandList | { pipeline?: boolean }, second?: { pipeline?: boolean }): Pipeline | Promise<'OK'> {
    const commands = Array.isArray(first) ? first : undefined
    const options = second ?? (Array.isArray(first) ? undefined : (first as { pipeline?: boolean } | undefined))
    if (options?.pipeline === false) return this.call('multi') as Promise<'OK'>
    return this[CLIENT].newTransaction(this, commands)
  }

  /** Ends `multi({ pipeline: false })`: results as of {@link Pipeline.exec}, null when a watched key had changed. */
  exec(callback?: Callback<BatchEntry[] | null>): Promise<BatchEntry[] | null> {
    const results = this[DISPATCH](lookupCommand('exec'), [], 0, undefined).then((value) =>
      Array.isArray(value) ? toEntries(value) : null,
    )
    return callBack(results, callback)
  }

  submitBatch(commands: Command[], exclusive: boolean): void {
    this[CLIENT].submitBatchWith(commands, exclusive, NO_OPTIONS)
  }

  traceBatch(run: () => Promise<BatchEntry[] | null>, size: number): Promise<BatchEntry[] | null> {
    return this[CLIENT].traceBatch(run, size)
  }

  /** Reports every command the server is given, on a connection of its own. */
  monitor(callback?: Callback<Monitor>): Promise<Monitor> {
    return callBack(this[CLIENT].monitor(), callback)
  }

  /** `subscriber` for a duplicate on RESP2 that has subscribed: it takes no other commands then. */
  get mode(): 'normal' | 'subscriber' {
    const { isDuplicate, subscriptionCount } = this[CLIENT]
    return isDuplicate && this.options.protocol === 2 && subscriptionCount > 0 ? 'subscriber' : 'normal'
  }

  /**
   * A view of this pool whose commands, pipelines and transactions have a deadline, an AbortSignal or other terms of
   * their own: `redis.with({ timeoutMs: 100, signal }).get('k')`. Costs an object; may be kept and reused.
   * @throws ConfigError for unknown keys and impossible values
   */
  with(options: CallOptions): CallView {
    return new this[CLIENT].classes.View(this[CLIENT], checkCallOptions(options))
  }

  /**
   * Adds a command made of a Lua script as a method of this object, its pipelines, leases and views; its `…Buffer` twin
   * too. The source is sent once per connection, then its hash. A second definition of the name replaces the first.
   * @throws ConfigError when the definition is incomplete
   */
  defineCommand(name: string, options: ScriptOptions): void {
    this[CLIENT].classes.define(this, name, options)
  }

  /**
   * Exclusive use of a connection until `release()`.
   * @throws AcquireTimeoutError naming who holds the others, OverloadedError, AbortedError, ClosedError
   */
  acquire(options?: AcquireOptions): Promise<Lease> {
    return this[CLIENT].acquire(options)
  }

  /** Borrows a connection for the time `use` runs, and returns it whatever happens. */
  async withConnection<T>(use: (connection: Lease) => Promise<T> | T, options?: AcquireOptions): Promise<T> {
    const lease = await this.acquire(options)
    try {
      return await use(lease)
    } finally {
      await lease.release()
    }
  }

  /**
   * A client with exactly one connection of its own, drawn from this pool's budget and counted in its statistics; with
   * its own life. Blocking commands and subscriptions on it run on that one connection, in order with the rest.
   *
   * It has the methods of a subclass and what the original has put on itself. The constructor of a subclass is not run:
   * nobody knows what arguments it takes.
   */
  duplicate(override: PoolOptions = {}): this {
    const options = { ...inheritOptions(this.options, override), [HOME]: this[CLIENT].connections }
    const duplicate = Reflect.construct(RedisPool, [options], this.constructor as typeof RedisPool) as this
    for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(this))) {
      if (!(name in duplicate) && descriptor.enumerable === true) Object.defineProperty(duplicate, name, descriptor)
    }
    return duplicate
  }

  /**
   * Asks the `password` function anew and authenticates every live connection with its answer, between their commands.
   */
  async renewCredentials(): Promise<void> {
    this[CLIENT].connections.renewCredentials()
  }

  /** A snapshot of counts, percentiles and states. */
  stats(): PoolStats {
    const { connections, lifecycle } = this[CLIENT]
    return connections.stats(lifecycle.state)
  }

  /** Asks the server for a sign of life and sums up the state of the pool. Never rejects. */
  health(): Promise<HealthReport> {
    const { connections, lifecycle } = this[CLIENT]
    return connections.health(lifecycle.state)
  }

  /**
   * Opens the connection of a `lazyConnect` client, or of one that has ended, and resolves when it is ready.
   * @throws Error when it is connecting or connected; ClosedError when the first attempt fails
   */
  connect(callback?: Callback<void>): Promise<void> {
    return callBack(this[CLIENT].connect(), callback)
  }

  /**
   * Refuses new commands, waits for those in flight, closes every connection. What is unfinished after `timeoutMs`
   * (default 5,000) is rejected with its outcome.
   */
  close({ timeoutMs = 5_000 }: { timeoutMs?: number } = {}): Promise<void> {
    return this[CLIENT].close(timeoutMs)
  }

  /**
   * Ends the client: new commands are refused at once, what was issued before is still written, and settles within
   * `disconnectTimeout` ms (default 2,000) with its reply or its outcome. True: opens new connections instead.
   */
  disconnect(reconnect = false): void {
    this[CLIENT].disconnect(reconnect)
  }

  /** Waits for earlier replies, then closes every connection; commands issued after it are refused. */
  quit(callback?: Callback<'OK'>): Promise<'OK'> {
    return callBack(this[CLIENT].quit(), callback)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Nothing secret, and nothing endless. */
  toJSON(): { name: string; address: string; status: PoolStatus } {
    const { name, host, port, path } = this.options
    return { name, address: path ?? `${host}:${port}`, status: this.status }
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    const { name, address, status } = this.toJSON()
    return `${this[CLIENT].isDuplicate ? 'RedisPool (duplicate)' : 'RedisPool'} ${name} ${address} [${status}]`
  }
}

installCommands(RedisPool.prototype)
installScanStreams(RedisPool.prototype)
installExtras(RedisPool.prototype)
