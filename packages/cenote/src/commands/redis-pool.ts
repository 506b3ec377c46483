import { type ConstructorArgument, inheritOptions, readArguments } from '../config/arguments.js'
import type { PoolOptions, ResolvedOptions } from '../config/options.js'
import { resolveOptions } from '../config/resolve.js'
import { BLOCKING, Command, IDEMPOTENT, promiseOf, type Transform } from '../connection/command.js'
import { type CenoteError, ClosedError, ConnectionError, ReplyError } from '../errors.js'
import {
  blockTimeoutMs,
  type CommandSpec,
  isBlockingCall,
  keyPatternPositions,
  keyPositions,
} from '../metadata/lookup.js'
import type { HealthReport, PoolStats } from '../observe/report.js'
import type { AcquireOptions } from '../pool/leases.js'
import { PoolCore } from '../pool/pool-core.js'
import { type LineHome, PrivateLine } from '../pool/private-line.js'
import type { CommandArg } from '../wire/encode.js'
import { type ArgumentInput, type Callback, callBack, normalizeArgs, takeCallback } from './args.js'
import type { BatchEntry } from './batch.js'
import type { CallOptions, CallView } from './call-options.js'
import type { ClientCore } from './client-core.js'
import { Commander, type CustomCommands, DISPATCH, installCommands } from './commander.js'
import type { Commands } from './commands.generated.js'
import { coreEvents, lineEvents } from './core-events.js'
import { installExtras, type RedisExtras } from './extras.js'
import type { Lease, LeaseContext } from './lease.js'
import { Lifecycle, type PoolStatus } from './lifecycle.js'
import { Monitor } from './monitor.js'
import type { BatchTarget, CommandList, Pipeline } from './pipeline.js'
import { Router, SPECIAL } from './router.js'
import { installScanStreams, type ScanStreams } from './scan-methods.js'
import { markScript, type Script, type ScriptOptions } from './script.js'
import { ScriptedClasses } from './scripted-classes.js'
import {
  batchChannel,
  commandChannel,
  connectChannel,
  type TracedServer,
  traceBatched,
  traceCommand,
} from './tracing.js'

export type { PoolStatus } from './lifecycle.js'

const NO_OPTIONS: CallOptions = {}

/** Passed inside the options of a duplicate: the pool whose budget it shares. */
const HOME: unique symbol = Symbol('cenote.home')

type PoolCommands = Omit<Commands<'promise'>, 'multi' | 'quit' | 'monitor' | 'exec' | 'execBuffer'>

export interface RedisPool extends PoolCommands, CustomCommands<'promise'>, ScanStreams, RedisExtras {}

/**
 * One object that takes every Redis command and puts it on the right connection: ordinary ones share pipelined lanes,
 * blocking ones and {@link withConnection} get a connection of their own. See `docs/` for the rules.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the methods are installed on the prototype
export class RedisPool extends Commander implements BatchTarget, LeaseContext, AsyncDisposable {
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
  readonly #lifecycle: Lifecycle
  readonly #router: Router
  readonly #timeoutMs: number
  readonly #prefixed: boolean
  /** Replies keep the shapes of RESP3. */
  readonly rawReplies: boolean
  readonly #shared: LineHome | undefined
  #core: ClientCore
  /** Set while ordinary commands need a look too: somebody watches, or stacks are wanted. */
  #attentive: boolean
  readonly #classes = new ScriptedClasses()

  /** @throws ConfigError for unknown or contradictory options */
  constructor(options?: PoolOptions)
  constructor(url: string, options?: PoolOptions)
  constructor(port: number, options?: PoolOptions)
  constructor(port: number, host: string, options?: PoolOptions)
  constructor(...args: ConstructorArgument[]) {
    super()
    const { url, given } = readArguments(args)
    this.options = { ...resolveOptions(url, given) }
    this.#shared = (given as { [HOME]?: LineHome })[HOME]
    this.#timeoutMs = this.options.commandTimeoutMs
    this.#prefixed = this.options.keyPrefix !== ''
    this.rawReplies = this.options.replyMapping === 'resp3'
    this.#attentive = this.options.showFriendlyErrorStack
    this.#lifecycle = new Lifecycle(this, this.options, () => this.disconnect())
    this.#router = new Router(
      this,
      this.options,
      () => this.#core,
      this.#shared !== undefined,
      (watching) => {
        this.#attentive = watching || this.options.showFriendlyErrorStack
      },
    )
    for (const [name, script] of Object.entries(this.options.scripts ?? {})) this.defineCommand(name, script)
    this.#core = this.#open()
    if (!this.options.lazyConnect) this.#connectNow().catch(() => undefined)
  }

  #open(): ClientCore {
    const surface = { pool: this, lifecycle: this.#lifecycle, router: this.#router }
    if (this.#shared !== undefined) return new PrivateLine(this.options, this.#shared, lineEvents(surface))
    return new PoolCore(this.options, coreEvents(surface))
  }

  [DISPATCH](
    spec: CommandSpec,
    args: ArgumentInput[],
    flags: number,
    transform: Transform | undefined,
    script?: Script,
  ): Promise<unknown> {
    const callback = takeCallback(args)
    const command = new Command(spec, normalizeArgs(args), flags)
    command.transform = this.rawReplies ? undefined : transform
    command.timeoutMs = this.#timeoutMs
    let promise = promiseOf(command)
    if (this.#prefixed) this.prefixKeys(spec, command.args as CommandArg[])
    if (script !== undefined) markScript(command, script)
    if ((spec.flags & SPECIAL) === 0 && !this.#attentive && !commandChannel.active) this.#core.send(command)
    else promise = this.#sendWithCare(command, promise, callback !== undefined, undefined)
    if (callback !== undefined) callBack(promise, callback)
    return promise
  }

  /** For {@link with}: a command with options of its own. @internal */
  dispatchWith(command: Command, promise: Promise<unknown>, callback: boolean, options: CallOptions): Promise<unknown> {
    if (this.rawReplies) command.transform = undefined
    command.timeoutMs = options.timeoutMs ?? this.#timeoutMs
    if (options.idempotent === true) command.flags |= IDEMPOTENT
    this.prefixKeys(command.spec, command.args as CommandArg[])
    return this.#sendWithCare(command, promise, callback, options)
  }

  #sendWithCare(
    command: Command,
    promise: Promise<unknown>,
    hasCallback: boolean,
    options: CallOptions | undefined,
  ): Promise<unknown> {
    const result = this.#router.send(command, promise, hasCallback, options)
    return commandChannel.active ? traceCommand(command, this.#server(), result) : result
  }

  #server(): TracedServer {
    const { host, port, path } = this.options
    return {
      database: this.#router.database,
      serverAddress: path ?? host,
      serverPort: path === undefined ? port : undefined,
    }
  }

  prefixKeys(spec: CommandSpec, args: CommandArg[]): void {
    const prefix = this.options.keyPrefix
    if (prefix === '') return
    for (const at of [...keyPositions(spec, args), ...keyPatternPositions(spec.name, args)]) {
      const key = args[at]!
      args[at] = typeof key === 'string' ? prefix + key : Buffer.concat([Buffer.from(prefix), key])
    }
  }

  /** Gives a command that runs on a lease its deadline. @internal */
  limitCommand(command: Command): void {
    const { spec, args } = command
    if (!isBlockingCall(spec, args)) command.timeoutMs ||= this.#timeoutMs
    else {
      const block = blockTimeoutMs(spec, args) ?? 0
      command.flags |= BLOCKING
      command.timeoutMs = block === Number.POSITIVE_INFINITY ? 0 : block + this.options.blockingGraceMs
    }
  }

  /** A chain for any target, with this pool's scripts as methods. @internal */
  newPipeline(target: BatchTarget, transaction: boolean, commands?: CommandList): Pipeline {
    return new this.#classes.Pipeline(target, transaction, commands)
  }

  /** Commands gathered and sent together by `exec()`. @throws TypeError when the list names an unknown command */
  pipeline(commands?: CommandList): Pipeline {
    return this.newPipeline(this, false, commands)
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
    return this.newPipeline(this.#router.transactionTarget(), true, commands)
  }

  /** Ends `multi({ pipeline: false })`: results as of {@link Pipeline.exec}, null when a watched key had changed. */
  exec(callback?: Callback<BatchEntry[] | null>): Promise<BatchEntry[] | null> {
    return callBack(this.#router.exec(), callback)
  }

  submitBatch(commands: Command[], exclusive: boolean): void {
    this.submitBatchWith(commands, exclusive, NO_OPTIONS)
  }

  /** For {@link with}. @internal */
  submitBatchWith(commands: Command[], exclusive: boolean, options: CallOptions): void {
    const server = commandChannel.active ? this.#server() : undefined
    for (const command of commands) {
      command.timeoutMs = options.timeoutMs ?? this.#timeoutMs
      if (server !== undefined) traceBatched(command, server)
    }
    this.#router.sendBatch(commands, exclusive, options)
  }

  /** @internal */
  reportError(error: CenoteError): void {
    this.#lifecycle.report(error)
  }

  /** Reports every command the server is given, on a connection of its own. */
  monitor(callback?: Callback<Monitor>): Promise<Monitor> {
    return callBack(Monitor.open(this.options, this.#core.home), callback)
  }

  /** `subscriber` for a duplicate on RESP2 that has subscribed: it takes no other commands then. */
  get mode(): 'normal' | 'subscriber' {
    const limited = this.#shared !== undefined && this.options.protocol === 2 && this.#router.subscriptions.count > 0
    return limited ? 'subscriber' : 'normal'
  }

  traceBatch(run: () => Promise<BatchEntry[] | null>, size: number): Promise<BatchEntry[] | null> {
    if (!batchChannel.active) return run()
    return batchChannel.trace({ batchMode: 'MULTI', batchSize: size, ...this.#server() }, run)
  }

  /**
   * A view of this pool whose commands have a deadline, an AbortSignal or other terms of their own:
   * `redis.with({ timeoutMs: 100, signal }).get('k')`. Costs an object; may be kept and reused.
   */
  with(options: CallOptions): CallView {
    return new this.#classes.View(this, options)
  }

  /**
   * Adds a command made of a Lua script as a method of this object, its pipelines, leases and views; its `…Buffer` twin
   * too. The source is sent once per connection, then its hash. A second definition of the name replaces the first.
   * @throws ConfigError when the definition is incomplete
   */
  defineCommand(name: string, options: ScriptOptions): void {
    this.#classes.define(this, name, options)
  }

  /**
   * Exclusive use of a connection until `release()`.
   * @throws AcquireTimeoutError naming who holds the others, OverloadedError, AbortedError, ClosedError
   */
  acquire(options?: AcquireOptions): Promise<Lease> {
    const leased = this.#core.tryAcquire(options)
    if (leased !== undefined) return Promise.resolve(new this.#classes.Lease(leased, this))
    return this.#core.acquire(options).then((later) => new this.#classes.Lease(later, this))
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
   */
  duplicate(override: PoolOptions = {}): this {
    const Class = this.constructor as new (options: PoolOptions) => this
    return new Class({ ...inheritOptions(this.options, override), [HOME]: this.#core.home } as PoolOptions)
  }

  /**
   * Asks the `password` function anew and authenticates every live connection with its answer, between their commands.
   */
  renewCredentials(): Promise<void> {
    return this.#core.renewCredentials()
  }

  /** A snapshot of counts, percentiles and states. */
  stats(): PoolStats {
    return this.#core.stats(this.#lifecycle.state)
  }

  /** Asks the server for a sign of life and sums up the state of the pool. Never rejects. */
  health(): Promise<HealthReport> {
    return this.#core.health(this.#lifecycle.state)
  }

  /**
   * Opens the connection of a `lazyConnect` client, or of one that has ended, and resolves when it is ready.
   * @throws Error when it is connecting or connected; ClosedError when the first attempt fails
   */
  connect(callback?: Callback<void>): Promise<void> {
    return callBack(this.#connectNow(), callback)
  }

  #connectNow(): Promise<void> {
    const lifecycle = this.#lifecycle
    const { host, port, path } = this.options
    const run = (): Promise<void> => {
      if (lifecycle.connected) return Promise.reject(new Error('Redis is already connecting/connected'))
      if (lifecycle.ended) this.#core = this.#open()
      const ready = lifecycle.whenReady()
      lifecycle.begin()
      this.#core.connect()
      return ready
    }
    if (!connectChannel.active) return run()
    const server = { serverAddress: path ?? host, serverPort: path === undefined ? port : undefined }
    return connectChannel.trace({ ...server, connectionEpoch: lifecycle.epoch }, run)
  }

  /**
   * Refuses new commands, waits for those in flight, closes every connection. What is unfinished after `timeoutMs`
   * (default 5,000) is rejected with its outcome.
   */
  async close({ timeoutMs = 5_000 }: { timeoutMs?: number } = {}): Promise<void> {
    if (this.#lifecycle.ended) return
    const core = this.#core
    await Promise.all([this.#router.close(timeoutMs), core.close(timeoutMs)])
    if (this.#core === core) this.#lifecycle.end()
  }

  /** Closes every connection now; outstanding commands are rejected with their outcome. True: and opens them anew. */
  disconnect(reconnect = false): void {
    if (this.#lifecycle.ended) return
    if (reconnect) {
      this.#core.reconnect(new ConnectionError('disconnect(true) asked for new connections'))
      return
    }
    this.#router.destroy()
    this.#core.destroy()
    this.#lifecycle.end()
  }

  #quitting = false

  /** Waits for earlier replies, then closes every connection; commands issued after it are refused. */
  quit(callback?: Callback<'OK'>): Promise<'OK'> {
    return callBack(this.#quitNow(), callback)
  }

  async #quitNow(): Promise<'OK'> {
    if (this.#lifecycle.ended || this.#quitting) throw new ClosedError()
    this.#quitting = true
    const core = this.#core
    try {
      await Promise.all([this.#router.close(5_000), core.close(5_000)])
    } finally {
      this.#quitting = false
      // Callers see the reply before the state changes, as with ioredis. Connected again meanwhile, it goes on.
      setImmediate(() => {
        if (this.#core === core) this.#lifecycle.end()
      })
    }
    return 'OK'
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Nothing secret, and nothing endless. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    const { name, host, port, path } = this.options
    return `${this.#shared === undefined ? 'RedisPool' : 'RedisPool (duplicate)'} ${name} ${path ?? `${host}:${port}`} [${this.status}]`
  }
}

installCommands(RedisPool.prototype)
installScanStreams(RedisPool.prototype)
installExtras(RedisPool.prototype)
