import { Command, promiseOf, type Transform } from '../connection/command.js'
import { ConfigError } from '../errors.js'
import { type CommandSpec, FLAG, lookupCommand } from '../metadata/lookup.js'
import type { LeasedConnection } from '../pool/leased-connection.js'
import type { CommandArg } from '../wire/encode.js'
import { type ArgumentInput, type Callback, callBack, normalizeArgs, takeCallback } from './args.js'
import { type BatchEntry, toEntries } from './batch.js'
import { Commander, type CustomCommands, DISPATCH, installCommands } from './commander.js'
import type { Commands } from './commands.generated.js'
import type { BatchTarget, CommandList, Pipeline } from './pipeline.js'
import { markScript, type Script } from './script.js'
import { Subscriptions } from './subscriptions.js'

/** What a lease needs to know of its pool. */
export interface LeaseContext {
  /** Gives a command its deadline. */
  limitCommand(command: Command): void
  prefixKeys(spec: CommandSpec, args: CommandArg[]): void
  readonly rawReplies: boolean
  /** A chain that has the pool's scripts as methods. */
  newPipeline(target: BatchTarget, transaction: boolean, commands?: CommandList): Pipeline
}

type LeaseCommands = Omit<Commands<'promise'>, 'multi' | 'exec' | 'execBuffer'>

export interface Lease extends LeaseCommands, CustomCommands<'promise'> {}

/**
 * Exclusive use of one connection: WATCH, MULTI, SELECT, blocking commands. Give it back with `await lease.release()`
 * or `await using`; afterwards every command on it is refused. State that was changed is reset on return.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the methods are installed on the prototype
export class Lease extends Commander implements BatchTarget, AsyncDisposable {
  readonly #leased: LeasedConnection
  readonly #context: LeaseContext
  #subscriptions: Subscriptions | undefined

  constructor(leased: LeasedConnection, context: LeaseContext) {
    super()
    this.#leased = leased
    this.#context = context
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
    command.transform = this.#context.rawReplies ? undefined : transform
    const promise = promiseOf(command)
    this.prefixKeys(spec, command.args as CommandArg[])
    if (script !== undefined) markScript(command, script)
    this.#send(command)
    return callBack(promise, callback)
  }

  #send(command: Command): void {
    const { spec, args, script } = command
    if (spec.name === 'client' && String(args[0]).toLowerCase() === 'reply') {
      command.fail(new ConfigError('CLIENT REPLY would leave the commands that follow without their replies'))
      return
    }
    // Between MULTI and EXEC nobody could tell in time that the server does not know the hash.
    if (script !== undefined && this.#leased.inTransaction) {
      script.prepare(command, new Set())
      command.script = undefined
    }
    this.#context.limitCommand(command)
    if ((spec.flags & FLAG.SUBSCRIBE) !== 0) this.#subscribe(command)
    else this.#leased.send(command)
  }

  /** Messages become events of this lease; a connection that has subscribed is not lent again. */
  #subscribe(command: Command): void {
    const leased = this.#leased
    if (this.#subscriptions === undefined) {
      const subscriptions = new Subscriptions(this, (next) => leased.send(next), false)
      this.#subscriptions = subscriptions
      leased.onPushMessage = (items) => {
        if (subscriptions.onPush(leased.connection, items) || String(items[0]) !== 'pong') return
        leased.connection.settlePushReply(items.map(String))
      }
    }
    this.#subscriptions.dispatch(command)
  }

  get rawReplies(): boolean {
    return this.#context.rawReplies
  }

  prefixKeys(spec: CommandSpec, args: CommandArg[]): void {
    this.#context.prefixKeys(spec, args)
  }

  pipeline(commands?: CommandList): Pipeline {
    return this.#context.newPipeline(this, false, commands)
  }

  /** Commands to be sent as one MULTI … EXEC by `exec()`; with `{ pipeline: false }` MULTI is sent at once. */
  multi(options: { pipeline: false }): Promise<'OK'>
  multi(commands?: CommandList): Pipeline
  multi(first?: CommandList | { pipeline?: boolean }): Pipeline | Promise<'OK'> {
    if (Array.isArray(first)) return this.#context.newPipeline(this, true, first as CommandList)
    if ((first as { pipeline?: boolean } | undefined)?.pipeline === false) return this.call('multi') as Promise<'OK'>
    return this.#context.newPipeline(this, true)
  }

  /** Ends `multi({ pipeline: false })`. */
  exec(callback?: Callback<BatchEntry[] | null>): Promise<BatchEntry[] | null> {
    const results = this[DISPATCH](lookupCommand('exec'), [], 0, undefined).then((value) =>
      Array.isArray(value) ? toEntries(value) : null,
    )
    return callBack(results, callback)
  }

  submitBatch(commands: Command[]): void {
    for (const command of commands) this.#send(command)
  }

  /** True once the lease was given back. */
  get released(): boolean {
    return this.#leased.released
  }

  /** Gives the connection back. Never throws; calling it twice does nothing. */
  release(): Promise<void> {
    return this.#leased.release()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release()
  }
}

installCommands(Lease.prototype)
