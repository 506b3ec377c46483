import type { ResolvedOptions } from '../config/options.js'
import { type Command, IDEMPOTENT } from '../connection/command.js'
import type { Connection } from '../connection/connection.js'
import { type CenoteError, ConfigError } from '../errors.js'
import { callFlags, FLAG, isBlockingCall, lookupCommand } from '../metadata/lookup.js'
import type { LeasedConnection } from '../pool/leased-connection.js'
import { PrivateLine } from '../pool/private-line.js'
import { type BatchEntry, toEntries } from './batch.js'
import { blockedAtMost, friendlyStack, type RouteOptions, runAfterPing, SignalListeners } from './calls.js'
import type { ClientCore } from './client-core.js'
import { DISPATCH } from './commander.js'
import type { BatchTarget } from './pipeline.js'
import type { RedisPool } from './redis-pool.js'
import { Subscriptions } from './subscriptions.js'
import { WatchRegistry } from './watch.js'
import type { WatchSession } from './watch-session.js'

/** Commands with any of these flags need a look before they may go to a shared connection. */
export const SPECIAL = FLAG.BLOCKING | FLAG.CONNECTION_STATE | FLAG.SUBSCRIBE | FLAG.ARGUMENT_DEPENDENT

/** Commands about a connection that make sense on the shared one, or do no harm there. */
const FIT_FOR_LANE = new Set([
  'exec',
  'discard',
  'unwatch',
  'client',
  'auth',
  'hello',
  'asking',
  'readonly',
  'readwrite',
])

/**
 * Takes the commands that are not simply sent: those that block, subscribe, watch or change their connection, and those
 * of callers with terms of their own. Decides which connection they run on.
 */
export class Router {
  /** The database SELECT has chosen. */
  database: number
  readonly subscriptions: Subscriptions
  private readonly signals = new SignalListeners((command, reason) => this.core().cancel(command, reason))
  private subscriber: PrivateLine | undefined
  private watches: WatchRegistry | undefined
  private idleSubscriber: NodeJS.Timeout | undefined

  /**
   * @param single the core is one connection, which takes everything in order
   * @param onWatching told when ordinary commands begin, or cease, to need a look
   */
  constructor(
    private readonly pool: RedisPool,
    private readonly options: ResolvedOptions,
    private readonly core: () => ClientCore,
    private readonly single: boolean,
    private readonly onWatching: (watching: boolean) => void,
  ) {
    this.database = options.db
    this.subscriptions = new Subscriptions(pool, (command) => this.sendSubscription(command), options.autoResubscribe)
  }

  send(command: Command, promise: Promise<unknown>, hasCallback: boolean, route?: RouteOptions): Promise<unknown> {
    const { signal } = route ?? {}
    if (signal?.aborted) this.core().cancel(command, signal.reason)
    else {
      if (route?.unordered === true && (command.spec.flags & SPECIAL) === 0) this.core().sendUnordered(command)
      else this.place(command, promise, hasCallback)
      if (signal !== undefined) this.signals.add(command, signal)
    }
    const { blockingTimeout } = this.options
    const limited = blockingTimeout === undefined ? promise : blockedAtMost(command, promise, this.core(), this.options)
    return this.options.showFriendlyErrorStack ? friendlyStack(limited) : limited
  }

  private place(command: Command, promise: Promise<unknown>, hasCallback: boolean): void {
    const { spec, args } = command
    if ((spec.flags & FLAG.SUBSCRIBE) !== 0) {
      this.subscriptions.dispatch(command)
      return
    }
    if (spec.name === 'select') this.select(command)
    const starts = spec.name === 'watch' || spec.name === 'multi'
    if (starts && !this.single) {
      this.watches ??= new WatchRegistry(this.watchHome(), this.onWatching)
      this.watches.begin(command, promise, hasCallback)
      return
    }
    if (isBlockingCall(spec, args)) {
      this.sendBlocking(command)
      return
    }
    const session = this.watches?.current()
    if (session === undefined || !this.sendToSession(command, session)) this.sendPlainly(command)
  }

  private sendToSession(command: Command, session: WatchSession): boolean {
    const { name } = command.spec
    if (name === 'select' || name === 'quit') return false
    if (session.state === 'open') {
      session.send(command)
      return true
    }
    if (name !== 'exec' && name !== 'discard' && name !== 'unwatch') return false
    session.state = 'over'
    if (name === 'exec') this.core().fail(command, session.refusal())
    else command.succeed('OK')
    return true
  }

  private sendBlocking(command: Command): void {
    const { name } = command.spec
    const core = this.core()
    if (!this.single && (name === 'wait' || name === 'waitaof'))
      runAfterPing(command, core, () => this.pool.limitCommand(command))
    else core.sendBlocking(command, {})
  }

  private sendPlainly(command: Command): void {
    const { spec, args } = command
    const core = this.core()
    if ((callFlags(spec, args) & FLAG.CONNECTION_STATE) === 0) core.send(command)
    else if (spec.name === 'client' && String(args[0]).toLowerCase() === 'reply') {
      core.fail(command, new ConfigError('CLIENT REPLY would leave the commands of all callers without their replies'))
    } else if (spec.name === 'quit') {
      this.pool.quit().then(
        () => command.succeed('OK'),
        (error: CenoteError) => core.fail(command, error),
      )
    } else if (this.single || spec.name === 'select' || FIT_FOR_LANE.has(spec.name)) core.send(command)
    else this.sendAlone([command])
  }

  sendBatch(commands: Command[], exclusive: boolean, route?: RouteOptions): void {
    const { signal } = route ?? {}
    if (signal?.aborted) for (const command of commands) this.core().cancel(command, signal.reason)
    else {
      this.placeBatch(commands, exclusive)
      if (signal !== undefined) for (const command of commands) this.signals.add(command, signal)
    }
  }

  private placeBatch(commands: Command[], exclusive: boolean): void {
    const session = this.watches?.current()
    if (session?.state === 'open') {
      session.submitBatch(commands)
      return
    }
    if (session !== undefined && commands[0]?.spec.name === 'multi') {
      session.state = 'over'
      for (const command of commands) this.core().fail(command, session.refusal())
      return
    }
    if (exclusive && !this.single) this.sendAlone(commands)
    else for (const command of commands) this.sendOfBatch(command)
  }

  private sendOfBatch(command: Command): void {
    const { spec } = command
    if ((spec.flags & FLAG.SUBSCRIBE) !== 0) this.subscriptions.dispatch(command)
    else if (this.single && isBlockingCall(spec, command.args)) this.core().sendBlocking(command, {})
    else {
      if (spec.name === 'select') this.select(command)
      this.core().send(command)
    }
  }

  /** On a connection nobody else uses meanwhile. */
  private sendAlone(commands: Command[]): void {
    const core = this.core()
    core.acquire({ label: commands.length > 1 ? 'pipeline' : commands[0]!.spec.upperName }).then(
      (leased) => {
        let outstanding = commands.length
        for (const command of commands) {
          this.pool.limitCommand(command)
          const { onSettled } = command
          command.onSettled = () => {
            onSettled?.()
            if (--outstanding === 0) void leased.release()
          }
        }
        for (const command of commands) leased.send(command)
      },
      (error: CenoteError) => {
        for (const command of commands) core.fail(command, error)
      },
    )
  }

  /** SELECT applies to all connections: to the lanes in its place, to others when they are lent. */
  private select(command: Command): void {
    const database = Number(command.args[0])
    if (!Number.isInteger(database) || database < 0) return
    const before = this.database
    const core = this.core()
    let accepted = false
    command.flags |= IDEMPOTENT
    command.transform = (reply) => {
      accepted = true
      core.confirmDatabase(database)
      return reply
    }
    const { onSettled } = command
    command.onSettled = () => {
      onSettled?.()
      if (accepted) return
      core.confirmDatabase(undefined)
      if (this.database === database) this.database = before
    }
    core.useDatabase(database)
    if (database === before) return
    this.database = database
    this.pool.emit('select', database)
  }

  /** What `multi()` sends its commands to: the connection on which its caller watches, else the pool. */
  transactionTarget(): BatchTarget {
    const session = this.watches?.current()
    if (session === undefined) return this.pool
    const { pool } = this
    return {
      submitBatch: (commands, exclusive) => {
        if (session.state === 'open') session.submitBatch(commands)
        else if (session.state === 'over') pool.submitBatch(commands, exclusive)
        else {
          session.state = 'over'
          for (const command of commands) this.core().fail(command, session.refusal())
        }
      },
      prefixKeys: (spec, args) => pool.prefixKeys(spec, args),
      rawReplies: pool.rawReplies,
      traceBatch: (run, size) => pool.traceBatch(run, size),
    }
  }

  async exec(): Promise<BatchEntry[] | null> {
    const results = await this.pool[DISPATCH](lookupCommand('exec'), [], 0, undefined)
    return Array.isArray(results) ? toEntries(results) : null
  }

  private watchHome() {
    const { pool } = this
    return {
      watchTimeoutMs: this.options.watchTimeoutMs,
      leaseInOrder: async (label: string): Promise<LeasedConnection> => {
        const core = this.core()
        const [leased] = await Promise.all([core.acquire({ label }), core.settled()])
        return leased
      },
      limit: (command: Command) => pool.limitCommand(command),
      fail: (command: Command, error: CenoteError) => this.core().fail(command, error),
      prefixKeys: pool.prefixKeys.bind(pool),
    }
  }

  private sendSubscription(command: Command): void {
    const core = this.core()
    if (this.single) {
      core.send(command)
      return
    }
    this.subscriber ??= this.openSubscriber(core)
    clearTimeout(this.idleSubscriber)
    const { onSettled } = command
    command.onSettled = () => {
      onSettled?.()
      if (this.subscriptions.count === 0) this.restSubscriber()
    }
    this.subscriber.send(command)
  }

  private openSubscriber(core: ClientCore): PrivateLine {
    // The first subscription opens the connection it waits for.
    return new PrivateLine({ ...this.options, enableOfflineQueue: true }, core.home, {
      onConnecting: () => undefined,
      onReady: () => this.subscriptions.restore(),
      onLost: (error, _willReconnect, silentMs) => this.subscriptions.onLost(silentMs, error.message),
      onError: (error) => this.pool.reportError(error),
      onPush: (connection, items) => this.onPush(connection, items),
    })
  }

  /** Nobody listens any more: the connection goes when that lasts. */
  private restSubscriber(): void {
    clearTimeout(this.idleSubscriber)
    this.idleSubscriber = setTimeout(() => {
      if (this.subscriptions.count > 0) return
      this.subscriber?.destroy()
      this.subscriber = undefined
    }, this.options.idleTimeoutMs || 30_000)
    this.idleSubscriber.unref()
  }

  onPush(connection: Connection, items: unknown[]): void {
    if (this.subscriptions.onPush(connection, items)) return
    // RESP2 answers PING with an array while subscribed, which looks like a message.
    if (String(items[0]) === 'pong') connection.settlePushReply(items.map(String))
  }

  /** Closes what only this class knows of, after the replies that are owed to it. */
  async close(timeoutMs: number): Promise<void> {
    await this.subscriber?.close(timeoutMs)
    this.destroy()
  }

  destroy(): void {
    clearTimeout(this.idleSubscriber)
    this.subscriptions.forget()
    this.subscriber?.destroy()
    this.subscriber = undefined
    this.database = this.options.db
  }
}
