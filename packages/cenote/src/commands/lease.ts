import { Command, promiseOf, type Transform } from '../connection/command.js'
import { ConfigError } from '../errors.js'
import { type CommandSpec, FLAG, lookupCommand } from '../metadata/lookup.js'
import type { LeasedConnection } from '../node/leased-connection.js'
import type { CommandArg } from '../wire/encode.js'
import { type ArgumentInput, type Callback, callBack, normalizeArgs, takeCallback } from './args.js'
import { type BatchEntry, toEntries } from './batch.js'
import { Commander, type CustomCommands, DISPATCH, installCommands } from './commander.js'
import type { Commands } from './commands.generated.js'
import type { BatchTarget, CommandList, Pipeline } from './pipeline.js'
import { markScript, type Script } from './script.js'
import { Subscriptions } from './subscriptions.js'

const LEASED: unique symbol = Symbol('cenote.leased')
const CONTEXT: unique symbol = Symbol('cenote.context')
const SUBSCRIPTIONS: unique symbol = Symbol('cenote.subscriptions')

/** What a lease needs to know of its pool. */
export interface LeaseContext {
  /** Deadline of an ordinary command, ms. */
  readonly timeoutMs: number
  /** Gives a command that may wait at the server its deadline. */
  limit(command: Command): void
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
  /** @internal */
  readonly [LEASED]: LeasedConnection
  /** @internal */
  readonly [CONTEXT]: LeaseContext;
  /** @internal */
  [SUBSCRIPTIONS]: Subscriptions | undefined

  constructor(leased: LeasedConnection, context: LeaseContext) {
    super()
    this[LEASED] = leased
    this[CONTEXT] = context
  }

  [DISPATCH](
    spec: CommandSpec,
    args: ArgumentInput[],
    flags: number,
    transform: Transform | undefined,
    script?: Script,
  ): Promise<unknown> {
    const callback = takeCallback(args)
    const context = this[CONTEXT]
    const command = new Command(spec, normalizeArgs(args), flags)
    command.transform = context.rawReplies ? undefined : transform
    command.timeoutMs = context.timeoutMs
    const promise = promiseOf(command)
    context.prefixKeys(spec, command.args as CommandArg[])
    if (script !== undefined) markScript(command, script)
    sendOn(this, command)
    return callBack(promise, callback)
  }

  get rawReplies(): boolean {
    return this[CONTEXT].rawReplies
  }

  prefixKeys(spec: CommandSpec, args: CommandArg[]): void {
    this[CONTEXT].prefixKeys(spec, args)
  }

  pipeline(commands?: CommandList): Pipeline {
    return this[CONTEXT].newPipeline(this, false, commands)
  }

  /** Commands to be sent as one MULTI … EXEC by `exec()`; with `{ pipeline: false }` MULTI is sent at once. */
  multi(options: { pipeline: false }): Promise<'OK'>
  multi(commands?: CommandList): Pipeline
  multi(first?: CommandList | { pipeline?: boolean }): Pipeline | Promise<'OK'> {
    if (Array.isArray(first)) return this[CONTEXT].newPipeline(this, true, first as CommandList)
    if ((first as { pipeline?: boolean } | undefined)?.pipeline === false) return this.call('multi') as Promise<'OK'>
    return this[CONTEXT].newPipeline(this, true)
  }

  /** Ends `multi({ pipeline: false })`. */
  exec(callback?: Callback<BatchEntry[] | null>): Promise<BatchEntry[] | null> {
    const results = this[DISPATCH](lookupCommand('exec'), [], 0, undefined).then((value) =>
      Array.isArray(value) ? toEntries(value) : null,
    )
    return callBack(results, callback)
  }

  submitBatch(commands: Command[]): void {
    for (const command of commands) {
      command.timeoutMs = this[CONTEXT].timeoutMs
      sendOn(this, command)
    }
  }

  /** True once the lease was given back. */
  get released(): boolean {
    return this[LEASED].released
  }

  /** Gives the connection back. Never throws; calling it twice does nothing. */
  release(): Promise<void> {
    return this[LEASED].release()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release()
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `Lease ${this[LEASED].label}${this.released ? ' [released]' : ''}`
  }
}

installCommands(Lease.prototype)

function sendOn(lease: Lease, command: Command): void {
  const leased = lease[LEASED]
  const { spec, args, script } = command
  if (spec.name === 'client' && String(args[0]).toLowerCase() === 'reply') {
    command.fail(new ConfigError('CLIENT REPLY would leave the commands that follow without their replies'))
    return
  }
  // Between MULTI and EXEC nobody could tell in time that the server does not know the hash.
  if (script !== undefined && leased.inTransaction) {
    script.prepare(command, new Set())
    command.script = undefined
  }
  lease[CONTEXT].limit(command)
  if ((spec.flags & FLAG.SUBSCRIBE) !== 0) subscribeOn(lease, command)
  else leased.send(command)
}

/** Messages become events of the lease; a connection that has subscribed is not lent again. */
function subscribeOn(lease: Lease, command: Command): void {
  const leased = lease[LEASED]
  let subscriptions = lease[SUBSCRIPTIONS]
  if (subscriptions === undefined) {
    const { connection } = leased.entry
    const fresh = new Subscriptions(lease, (next) => leased.send(next), false)
    leased.onPushMessage = (items) => {
      if (fresh.onPush(connection, items) || String(items[0]) !== 'pong') return
      connection.settlePushReply(items.map(String))
    }
    lease[SUBSCRIPTIONS] = subscriptions = fresh
  }
  subscriptions.dispatch(command)
}
