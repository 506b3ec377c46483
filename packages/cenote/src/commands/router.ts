import type { EventEmitter } from 'node:events'
import type { ResolvedOptions } from '../config/options.js'
import { type Command, IDEMPOTENT, TRANSACTION } from '../connection/command.js'
import type { Connection } from '../connection/connection.js'
import { type CenoteError, ClosedError, ConfigError } from '../errors.js'
import { type CommandSpec, callFlags, FLAG } from '../metadata/lookup.js'
import type { LeasedConnection } from '../node/leased-connection.js'
import type { AcquireOptions } from '../node/leases.js'
import type { CommandArg } from '../wire/encode.js'
import { blockedAtMost } from './blocked-at-most.js'
import { entryPoints } from './commander.js'
import { friendlyStack } from './friendly-stack.js'
import type { BatchTarget } from './pipeline.js'
import { SignalListeners } from './signals.js'
import { Subscriptions } from './subscriptions.js'

/** Commands with any of these flags need a look before they may go to a shared connection. */
export const SPECIAL = FLAG.BLOCKING | FLAG.CONNECTION_STATE | FLAG.SUBSCRIBE | FLAG.ARGUMENT_DEPENDENT

/** Terms of single calls that decide how they are sent. */
export interface Terms {
  readonly signal?: AbortSignal | undefined
  readonly unordered?: boolean | undefined
}

/** What a router knows of the client it works for. */
export interface RouterContext {
  readonly options: ResolvedOptions
  readonly emitter: EventEmitter
  /** Gives a command that runs on a connection of its own its deadline. */
  limit(command: Command): void
  prefix(spec: CommandSpec, args: CommandArg[]): void
  /** Tells listeners of the client; what they throw stays theirs. */
  emit(event: string, value: unknown): void
  report(error: CenoteError): void
  quit(): Promise<'OK'>
}

/** What commands are put on. */
interface Carrier {
  cancel(command: Command, reason: unknown): void
  fail(command: Command, error: CenoteError): void
}

/**
 * Takes the commands that are not simply sent: those that block, subscribe, watch or change their connection, those of
 * callers with terms of their own, and batches. Decides which connection they run on.
 */
export abstract class Router {
  /** The database SELECT has chosen. */
  database: number
  readonly subscriptions: Subscriptions
  protected closed = false
  private readonly signals: SignalListeners

  constructor(
    protected readonly context: RouterContext,
    private readonly carrier: Carrier,
  ) {
    const { options, emitter } = context
    this.database = options.db
    this.signals = new SignalListeners((command, reason) => carrier.cancel(command, reason))
    this.subscriptions = new Subscriptions(
      emitter,
      (command) => this.sendSubscription(command),
      options.autoResubscribe,
    )
  }

  send(command: Command, promise: Promise<unknown>, hasCallback: boolean, terms?: Terms): Promise<unknown> {
    const { signal } = terms ?? {}
    if (signal?.aborted) this.carrier.cancel(command, signal.reason)
    else if (this.closed) this.carrier.fail(command, new ClosedError())
    else {
      this.place(command, promise, hasCallback, terms?.unordered === true)
      if (signal !== undefined) this.signals.add(command, signal)
    }
    const { options } = this.context
    const cancel = () => this.carrier.cancel(command, undefined)
    const limited = options.blockingTimeout === undefined ? promise : blockedAtMost(command, promise, cancel, options)
    return options.showFriendlyErrorStack ? friendlyStack(limited, entryPoints(command.spec)) : limited
  }

  /** Finds the connection for a command. */
  protected abstract place(command: Command, promise: Promise<unknown>, hasCallback: boolean, unordered: boolean): void

  sendBatch(commands: readonly Command[], exclusive: boolean, terms?: Terms): void {
    const { signal } = terms ?? {}
    if (signal?.aborted) for (const command of commands) this.carrier.cancel(command, signal.reason)
    else if (this.closed) for (const command of commands) this.carrier.fail(command, new ClosedError())
    else {
      this.placeBatch(commands, exclusive, terms?.unordered === true)
      if (signal !== undefined) for (const command of commands) if (stands(command)) this.signals.add(command, signal)
    }
  }

  protected abstract placeBatch(commands: readonly Command[], exclusive: boolean, unordered: boolean): void

  /** Subscriptions of a batch go where theirs go; the rest is left together. */
  protected withoutSubscriptions(commands: readonly Command[]): readonly Command[] {
    const subscribes = ({ spec, flags }: Command) => (spec.flags & FLAG.SUBSCRIBE) !== 0 && (flags & TRANSACTION) === 0
    if (!commands.some(subscribes)) return commands
    for (const command of commands) if (subscribes(command)) this.subscribe(command)
    return commands.filter((command) => !subscribes(command))
  }

  /** SUBSCRIBE and its kin. */
  protected subscribe(command: Command): void {
    this.subscriptions.dispatch(command)
  }

  protected abstract sendSubscription(command: Command): void

  get subscriptionCount(): number {
    return this.subscriptions.count
  }

  /** A SELECT that names a database; others are the server's to refuse. */
  protected select(command: Command): void {
    const database = Number(command.args[0])
    if (!Number.isInteger(database) || database < 0) return
    const before = this.database
    command.flags |= IDEMPOTENT
    this.prepareSelect(command, database, () => {
      if (this.database === database) this.database = before
    })
    if (database === before) return
    this.database = database
    this.context.emit('select', database)
  }

  protected abstract prepareSelect(command: Command, database: number, refused: () => void): void

  /** True when the command was refused, or is the client's own affair. */
  protected handles(command: Command): boolean {
    const { spec, args } = command
    if ((callFlags(spec, args) & FLAG.CONNECTION_STATE) === 0) return false
    if (spec.name === 'client' && String(args[0]).toLowerCase() === 'reply') {
      const error = 'CLIENT REPLY would leave the commands of all callers without their replies'
      this.carrier.fail(command, new ConfigError(error))
      return true
    }
    if (spec.name !== 'quit') return false
    this.context.quit().then(
      () => command.succeed('OK'),
      (error: CenoteError) => this.carrier.fail(command, error),
    )
    return true
  }

  abstract tryAcquire(options: AcquireOptions | undefined): LeasedConnection | undefined
  abstract acquire(options?: AcquireOptions): Promise<LeasedConnection>

  /** What `multi()` sends its commands to; undefined for the client itself. */
  abstract transactionTarget(): BatchTarget | undefined

  onPush(connection: Connection, items: unknown[]): void {
    if (this.subscriptions.onPush(connection, items)) return
    // RESP2 answers PING with an array while subscribed, which looks like a message.
    if (String(items[0]) === 'pong') connection.settlePushReply(items.map(String))
  }

  /** On a cluster: its servers told who has which slot. */
  onSurveyed(): void {}

  /** What is amiss with subscriptions, for `health()`. */
  get complaints(): readonly string[] {
    return this.subscriptions.complaints
  }

  /** Closes what only the router knows of, after the replies that are owed to it. */
  async close(_timeoutMs: number): Promise<void> {
    this.destroy()
  }

  destroy(): void {
    this.closed = true
    this.subscriptions.forget()
  }
}

/** A transaction is given up through its EXEC, which is the last of it to settle. */
const stands = ({ flags, spec }: Command): boolean => (flags & TRANSACTION) === 0 || spec.name === 'exec'
