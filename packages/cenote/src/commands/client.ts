import type { CallOptions } from '../config/call-options.js'
import type { ResolvedOptions } from '../config/options.js'
import { BLOCKING, Command, IDEMPOTENT, promiseOf, type Transform } from '../connection/command.js'
import type { Connection } from '../connection/connection.js'
import { type CenoteError, ClosedError, ConnectionError } from '../errors.js'
import {
  blockTimeoutMs,
  type CommandSpec,
  isBlockingCall,
  keyPatternPositions,
  keyPositions,
} from '../metadata/lookup.js'
import type { AcquireOptions } from '../node/leases.js'
import type { LineEvents } from '../node/line.js'
import { Pool, type PoolEvents } from '../pool/pool.js'
import { setImmediate } from '../timers.js'
import type { CommandArg } from '../wire/encode.js'
import { type ArgumentInput, callBack, normalizeArgs, takeCallback } from './args.js'
import type { BatchEntry } from './batch.js'
import type { ViewTarget } from './call-view.js'
import { ClusterRouter } from './cluster-router.js'
import type { Core } from './core.js'
import { protectedly } from './foreign.js'
import type { Lease, LeaseContext } from './lease.js'
import { Lifecycle, type StatusHolder } from './lifecycle.js'
import { LineRouter } from './line-router.js'
import { Monitor } from './monitor.js'
import { OwnLine } from './own-line.js'
import type { BatchTarget, CommandList, Pipeline } from './pipeline.js'
import { PoolRouter } from './pool-router.js'
import { type Router, type RouterContext, SPECIAL } from './router.js'
import { markScript, type Script } from './script.js'
import { ScriptedClasses } from './scripted-classes.js'
import {
  batchChannel,
  commandChannel,
  connectChannel,
  type TracedServer,
  traceBatched,
  traceCommand,
} from './tracing.js'

/** How long `quit()` waits for what is under way, ms. */
const QUIT_TIMEOUT_MS = 5_000

/**
 * What is behind a RedisPool: its life, its connections and the way of its commands. A class apart, because the public
 * object may be wrapped, subclassed or imitated, and its members may be named like anything.
 */
export class Client implements RouterContext, LeaseContext, ViewTarget {
  readonly lifecycle: Lifecycle
  readonly classes = new ScriptedClasses()
  readonly timeoutMs: number
  /** Replies keep the shapes of RESP3. */
  readonly rawReplies: boolean
  private readonly prefixed: boolean
  private core!: Core
  private router!: Router
  /** Where ordinary commands go; kept at hand because every command needs it. */
  private carrier!: { send(command: Command): void }
  /** Set while ordinary commands need a look too: somebody watches, or stacks are wanted. */
  private attentive: boolean
  private quitting = false
  private warned = false

  /** @param home for a duplicate: what it was made from, whose budget it shares */
  constructor(
    readonly emitter: StatusHolder,
    readonly options: ResolvedOptions,
    private readonly home: Core | undefined,
  ) {
    this.timeoutMs = options.commandTimeoutMs
    this.prefixed = options.keyPrefix !== ''
    this.rawReplies = options.replyMapping === 'resp3'
    this.attentive = options.showFriendlyErrorStack
    this.lifecycle = new Lifecycle(emitter, options, () => this.disconnect(false))
    this.open()
  }

  get isDuplicate(): boolean {
    return this.home !== undefined
  }

  /** Connections are opened here; duplicates, subscriptions and monitors count against the same budget. */
  get connections(): Core {
    return this.core
  }

  private open(): void {
    if (this.home !== undefined) {
      const own = new OwnLine(this.options, this.home, this.lineEvents, () => this.router.complaints)
      this.core = own
      this.router = new LineRouter(this, own.line)
      this.carrier = own.line
    } else {
      const pool = new Pool(this.options, this.poolEvents)
      this.core = pool
      this.carrier = pool
      const onWatching = (watching: boolean): void => {
        this.attentive = watching || this.options.showFriendlyErrorStack
      }
      const { cluster } = pool
      this.router =
        cluster === undefined
          ? new PoolRouter(this, pool, onWatching)
          : new ClusterRouter(this, pool, cluster, onWatching)
    }
  }

  private get poolEvents(): PoolEvents {
    return {
      onConnecting: () => this.lifecycle.onConnecting(),
      onReady: () => this.lifecycle.onReady(),
      onLost: (error, willReconnect) => {
        if (willReconnect) this.lifecycle.onLost(error)
      },
      onError: (error) => this.lifecycle.onDialFailed(error),
      onPush: (connection: Connection, items: unknown[]) => this.router.onPush(connection, items),
      onFallback: (reason) => this.emit('fallback', { active: reason !== undefined, reason }),
      onLeak: (label, heldMs, stack) => this.emit('leak', { label, heldMs, stack }),
      onWarning: (message) => this.warn(message),
      complaints: () => this.router.complaints,
      onSurveyed: () => this.router.onSurveyed(),
    }
  }

  /** A duplicate's one connection carries its subscriptions too. */
  private get lineEvents(): LineEvents {
    return {
      onConnecting: () => this.lifecycle.onConnecting(),
      onReady: () => {
        this.lifecycle.onReady()
        this.router.subscriptions.restore()
      },
      onLost: (error, willReconnect, silentMs) => {
        this.router.subscriptions.onLost(silentMs, error.message)
        if (willReconnect) this.lifecycle.onLost(error)
      },
      onError: (error) => this.lifecycle.onDialFailed(error),
      onPush: (connection, items) => this.router.onPush(connection, items),
    }
  }

  /** Told once: every further connection would say the same. */
  private warn(message: string): void {
    if (this.warned) return
    this.warned = true
    process.emitWarning(message, { code: 'CENOTE_UNWANTED_CREDENTIALS' })
  }

  dispatch(
    spec: CommandSpec,
    args: ArgumentInput[],
    flags: number,
    transform: Transform | undefined,
    script: Script | undefined,
  ): Promise<unknown> {
    const callback = takeCallback(args)
    const command = new Command(spec, normalizeArgs(args), flags)
    command.transform = this.rawReplies ? undefined : transform
    command.timeoutMs = this.timeoutMs
    let promise = promiseOf(command)
    if (this.prefixed) this.prefixKeys(spec, command.args as CommandArg[])
    if (script !== undefined) markScript(command, script)
    if ((spec.flags & SPECIAL) === 0 && !this.attentive && !commandChannel.active) this.carrier.send(command)
    else promise = this.sendWithCare(command, promise, callback !== undefined, undefined)
    if (callback !== undefined) callBack(promise, callback)
    return promise
  }

  /** A command with terms of its own. */
  dispatchWith(command: Command, promise: Promise<unknown>, callback: boolean, options: CallOptions): Promise<unknown> {
    if (this.rawReplies) command.transform = undefined
    this.apply(options, command)
    this.prefixKeys(command.spec, command.args as CommandArg[])
    return this.sendWithCare(command, promise, callback, options)
  }

  private apply({ timeoutMs = this.timeoutMs, idempotent = false }: CallOptions, command: Command): void {
    command.timeoutMs = timeoutMs
    if (idempotent) command.flags |= IDEMPOTENT
  }

  private sendWithCare(
    command: Command,
    promise: Promise<unknown>,
    hasCallback: boolean,
    options: CallOptions | undefined,
  ): Promise<unknown> {
    const result = this.router.send(command, promise, hasCallback, options)
    return commandChannel.active ? traceCommand(command, this.server, result) : result
  }

  submitBatchWith(commands: readonly Command[], exclusive: boolean, options: CallOptions): void {
    const server = commandChannel.active ? this.server : undefined
    for (const command of commands) {
      this.apply(options, command)
      if (server !== undefined) traceBatched(command, server)
    }
    this.router.sendBatch(commands, exclusive, options)
  }

  traceBatch(run: () => Promise<BatchEntry[] | null>, size: number): Promise<BatchEntry[] | null> {
    if (!batchChannel.active) return run()
    return batchChannel.trace({ batchMode: 'MULTI', batchSize: size, ...this.server }, run)
  }

  private get server(): TracedServer {
    const { host, port, path } = this.options
    return {
      database: this.router.database,
      serverAddress: path ?? host,
      serverPort: path === undefined ? port : undefined,
    }
  }

  prefixKeys(spec: CommandSpec, args: CommandArg[]): void {
    const prefix = this.options.keyPrefix
    if (prefix === '') return
    for (const positions of [keyPositions(spec, args), keyPatternPositions(spec.name, args)]) {
      for (const at of positions) {
        const key = args[at]!
        args[at] = typeof key === 'string' ? prefix + key : Buffer.concat([Buffer.from(prefix), key])
      }
    }
  }

  prefix(spec: CommandSpec, args: CommandArg[]): void {
    this.prefixKeys(spec, args)
  }

  limit(command: Command): void {
    const { spec, args } = command
    if (!isBlockingCall(spec, args)) return
    const block = blockTimeoutMs(spec, args) ?? 0
    command.flags |= BLOCKING
    command.timeoutMs = block === Number.POSITIVE_INFINITY ? 0 : block + this.options.blockingGraceMs
  }

  emit(event: string, value: unknown): void {
    protectedly(() => this.emitter.emit(event, value))
  }

  report(error: CenoteError): void {
    this.lifecycle.report(error)
  }

  /** A chain for any target, with this client's scripts as methods. */
  newPipeline(target: BatchTarget, transaction: boolean, commands?: CommandList): Pipeline {
    return new this.classes.Pipeline(target, transaction, commands)
  }

  /** A transaction: on the connection where its caller watches, if it does. */
  newTransaction(target: BatchTarget, commands?: CommandList): Pipeline {
    const watching = this.router.transactionTarget()
    if (watching === undefined) return this.newPipeline(target, true, commands)
    const { rawReplies } = this
    return this.newPipeline(
      {
        ...watching,
        // The deadline of a batch is set where it is submitted.
        submitBatch: (batch, exclusive) => {
          for (const command of batch) command.timeoutMs = this.timeoutMs
          watching.submitBatch(batch, exclusive)
        },
        rawReplies,
        traceBatch: (run, size) => this.traceBatch(run, size),
      },
      true,
      commands,
    )
  }

  acquire(options: AcquireOptions | undefined): Promise<Lease> {
    const leased = this.router.tryAcquire(options)
    if (leased !== undefined) return Promise.resolve(new this.classes.Lease(leased, this))
    return this.router.acquire(options).then((later) => new this.classes.Lease(later, this))
  }

  monitor(): Promise<Monitor> {
    if (this.lifecycle.ended) return Promise.reject(new ClosedError())
    return Monitor.open(this.options, this.core)
  }

  get subscriptionCount(): number {
    return this.router.subscriptionCount
  }

  connect(): Promise<void> {
    const { lifecycle } = this
    const { host, port, path } = this.options
    const run = (): Promise<void> => {
      if (lifecycle.connected) return Promise.reject(new Error('Redis is already connecting/connected'))
      if (lifecycle.ended) this.open()
      const ready = lifecycle.whenReady()
      lifecycle.begin()
      this.core.connect()
      return ready
    }
    if (!connectChannel.active) return run()
    const server = { serverAddress: path ?? host, serverPort: path === undefined ? port : undefined }
    return connectChannel.trace({ ...server, connectionEpoch: lifecycle.epoch }, run)
  }

  async close(timeoutMs: number): Promise<void> {
    if (this.lifecycle.ended) return
    const { core } = this
    await Promise.all([this.router.close(timeoutMs), core.close(timeoutMs)])
    if (this.core === core) this.lifecycle.end()
  }

  disconnect(reconnect: boolean): void {
    if (this.lifecycle.ended) return
    const graceMs = this.options.disconnectTimeout
    if (reconnect) {
      this.core.reconnect(new ConnectionError('disconnect(true) asked for new connections'), graceMs)
      return
    }
    this.router.destroy()
    this.core.finish(graceMs)
    this.lifecycle.end()
  }

  async quit(): Promise<'OK'> {
    if (this.lifecycle.ended || this.quitting) throw new ClosedError()
    this.quitting = true
    const { core } = this
    try {
      await Promise.all([this.router.close(QUIT_TIMEOUT_MS), core.close(QUIT_TIMEOUT_MS)])
    } finally {
      this.quitting = false
      // Callers see the reply before the state changes, as with ioredis. Connected again meanwhile, it goes on.
      setImmediate(() => {
        if (this.core === core) this.lifecycle.end()
      })
    }
    return 'OK'
  }
}
