import type { PoolOptions, ResolvedOptions } from '../config/options.js'
import { resolveOptions } from '../config/resolve.js'
import { Command, promiseOf, type Transform } from '../connection/command.js'
import type { CenoteError } from '../errors.js'
import { blockTimeoutMs, type CommandSpec, callFlags, FLAG, isBlockingCall, keyPositions } from '../metadata/lookup.js'
import type { HealthReport, PoolStats } from '../observe/report.js'
import type { AcquireOptions } from '../pool/leases.js'
import { PoolCore, type PoolEvents } from '../pool/pool-core.js'
import type { CommandArg } from '../wire/encode.js'
import { type ArgumentInput, normalizeArgs, takeCallback } from './args.js'
import { Commander, DISPATCH, installCommands } from './commander.js'
import { Lease, type LeaseContext } from './lease.js'
import { type BatchTarget, Pipeline } from './pipeline.js'
import { Script, type ScriptOptions } from './script.js'

/** Where a pool is in its life; the words are ioredis'. */
export type PoolStatus = 'wait' | 'connecting' | 'connect' | 'ready' | 'close' | 'reconnecting' | 'end'

/** Commands with any of these flags need a look before they may go to the shared lane. */
const SPECIAL = FLAG.BLOCKING | FLAG.CONNECTION_STATE | FLAG.SUBSCRIBE | FLAG.ARGUMENT_DEPENDENT

/**
 * One object that takes every Redis command and puts it on the right connection: ordinary ones share pipelined lanes,
 * blocking ones and {@link withConnection} get a connection of their own. See `docs/` for the rules.
 */
export class RedisPool extends Commander implements BatchTarget, LeaseContext, AsyncDisposable {
  readonly options: ResolvedOptions
  status: PoolStatus = 'wait'
  readonly isCluster = false
  readonly #core: PoolCore
  readonly #timeoutMs: number

  /** @throws ConfigError for unknown or contradictory options */
  constructor(options?: PoolOptions)
  constructor(url: string, options?: PoolOptions)
  constructor(first?: string | PoolOptions, second?: PoolOptions) {
    super()
    this.options =
      typeof first === 'string' ? resolveOptions(first, second ?? {}) : resolveOptions(undefined, first ?? {})
    this.#timeoutMs = this.options.commandTimeoutMs
    this.#core = new PoolCore(this.options, this.#events())
    if (!this.options.lazyConnect) this.#core.connect()
  }

  get commandTimeoutMs(): number {
    return this.options.commandTimeoutMs
  }

  get blockingGraceMs(): number {
    return this.options.blockingGraceMs
  }

  [DISPATCH](
    spec: CommandSpec,
    args: ArgumentInput[],
    flags: number,
    transform: Transform | undefined,
  ): Promise<unknown> {
    const callback = takeCallback(args)
    const command = new Command(spec, normalizeArgs(args), flags)
    command.transform = transform
    command.timeoutMs = this.#timeoutMs
    const promise = promiseOf(command)
    if (this.options.keyPrefix !== '') this.prefixKeys(spec, command.args as CommandArg[])
    if ((spec.flags & SPECIAL) === 0) this.#core.send(command)
    else this.#route(command)
    if (callback !== undefined) {
      promise.then(
        (value) => callback(null, value),
        (error: Error) => callback(error),
      )
    }
    return promise
  }

  #route(command: Command): void {
    const { spec, args } = command
    if (isBlockingCall(spec, args)) this.#core.sendBlocking(command, {})
    else this.#core.send(command)
  }

  prefixKeys(spec: CommandSpec, args: CommandArg[]): void {
    const prefix = this.options.keyPrefix
    if (prefix === '') return
    for (const at of keyPositions(spec, args)) {
      const key = args[at]!
      args[at] = typeof key === 'string' ? prefix + key : Buffer.concat([Buffer.from(prefix), key])
    }
  }

  /** Commands gathered and sent together by `exec()`. */
  pipeline(): Pipeline {
    return new Pipeline(this, false)
  }

  /** Commands sent as one MULTI … EXEC by `exec()`; strangers' commands never come in between. */
  multi(): Pipeline {
    return new Pipeline(this, true)
  }

  submitBatch(commands: Command[], exclusive: boolean): void {
    for (const command of commands) command.timeoutMs = this.#timeoutMs
    if (!exclusive) {
      for (const command of commands) this.#core.send(command)
      return
    }
    this.#core.acquire({ label: 'pipeline' }).then(
      async (leased) => {
        let outstanding = commands.length
        for (const command of commands) {
          const block = blockTimeoutMs(command.spec, command.args)
          if (block !== undefined)
            command.timeoutMs = block === Number.POSITIVE_INFINITY ? 0 : block + this.blockingGraceMs
          command.onSettled = () => {
            if (--outstanding === 0) void leased.release()
          }
          leased.send(command)
        }
      },
      (error: CenoteError) => {
        for (const command of commands) command.fail(error)
      },
    )
  }

  /**
   * Adds a command made of a Lua script as a method of this object; its `…Buffer` twin too. The source is sent once
   * per connection, then its hash.
   */
  defineCommand(name: string, options: ScriptOptions): void {
    const script = new Script(options.lua, options.numberOfKeys, options.readOnly === true)
    const run = (flags: number) =>
      function (this: RedisPool, ...args: ArgumentInput[]): Promise<unknown> {
        return this.#runScript(script, args, flags)
      }
    Object.defineProperty(this, name, { value: run(0), configurable: true, writable: true, enumerable: false })
    Object.defineProperty(this, `${name}Buffer`, {
      value: run(1),
      configurable: true,
      writable: true,
      enumerable: false,
    })
  }

  #runScript(script: Script, args: ArgumentInput[], flags: number): Promise<unknown> {
    const callback = takeCallback(args)
    const flat = normalizeArgs(args)
    const all = script.numberOfKeys === undefined ? ['', ...flat] : ['', String(script.numberOfKeys), ...flat]
    const command = new Command(script.full, all, flags | (script.readOnly ? 2 : 0))
    command.script = script
    command.timeoutMs = this.#timeoutMs
    const promise = promiseOf(command)
    this.prefixKeys(script.full, command.args as CommandArg[])
    this.#core.send(command)
    if (callback !== undefined) {
      promise.then(
        (value) => callback(null, value),
        (error: Error) => callback(error),
      )
    }
    return promise
  }

  /**
   * Exclusive use of a connection until `release()`.
   * @throws AcquireTimeoutError naming who holds the others, OverloadedError, AbortedError, ClosedError
   */
  async acquire(options?: AcquireOptions): Promise<Lease> {
    return new Lease(await this.#core.acquire(options), this)
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
   * Asks the `password` function anew and authenticates every live connection with its answer, between their commands.
   */
  renewCredentials(): Promise<void> {
    return this.#core.renewCredentials()
  }

  /** A snapshot of counts, percentiles and states. */
  stats(): PoolStats {
    return this.#core.stats(this.status)
  }

  /** Asks the server for a sign of life and sums up the state of the pool. Never rejects. */
  health(): Promise<HealthReport> {
    return this.#core.health(this.status)
  }

  /**
   * Refuses new commands, waits for those in flight, closes every connection. What is unfinished after `timeoutMs`
   * (default 5,000) is rejected with its outcome.
   */
  async close({ timeoutMs = 5_000 }: { timeoutMs?: number } = {}): Promise<void> {
    if (this.status === 'end') return
    await this.#core.close(timeoutMs)
    this.#end()
  }

  /** Closes every connection now; outstanding commands are rejected with their outcome. */
  disconnect(): void {
    if (this.status === 'end') return
    this.#core.destroy()
    this.#end()
  }

  async quit(): Promise<'OK'> {
    await this.close()
    return 'OK'
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #end(): void {
    this.#move('close')
    this.#move('end')
  }

  #move(status: PoolStatus, ...args: unknown[]): void {
    if (this.status === 'end') return
    this.status = status
    process.nextTick(() => this.emit(status, ...args))
  }

  #events(): PoolEvents {
    return {
      onConnecting: () => this.#move('connecting'),
      onReady: () => {
        this.#move('connect')
        this.#move('ready')
      },
      onLost: (error, willReconnect) => {
        if (willReconnect) this.#report(error)
        this.#move('close')
        if (willReconnect) this.#move('reconnecting', 0)
      },
      onError: (error) => this.#report(error),
      onPush: () => undefined,
      onFallback: (reason) => this.emit('fallback', { active: reason !== undefined, reason }),
      onLeak: (label, heldMs, stack) => this.emit('leak', { label, heldMs, stack }),
    }
  }

  /** An error without a listener is in the statistics; it must never take the process down. */
  #report(error: CenoteError): void {
    if (this.listenerCount('error') > 0) process.nextTick(() => this.emit('error', error))
  }
}

// Typed and documented by the generated interface; callFlags decides what may share a lane.
void callFlags
installCommands(RedisPool.prototype)
installCommands(Lease.prototype)
installCommands(Pipeline.prototype)

/** A pool for the environment this process runs in; see {@link PoolOptions} for what can be said in code. */
export function createPool(options?: PoolOptions): RedisPool
export function createPool(url: string, options?: PoolOptions): RedisPool
export function createPool(first?: string | PoolOptions, second?: PoolOptions): RedisPool {
  return typeof first === 'string' ? new RedisPool(first, second) : new RedisPool(first)
}
