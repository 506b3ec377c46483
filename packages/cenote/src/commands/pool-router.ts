import type { Command } from '../connection/command.js'
import type { CenoteError, ReplyError } from '../errors.js'
import { callFlags, FLAG, isBlockingCall } from '../metadata/lookup.js'
import type { LeasedConnection } from '../node/leased-connection.js'
import type { AcquireOptions } from '../node/leases.js'
import type { Line } from '../node/line.js'
import type { Pool } from '../pool/pool.js'
import { clearTimeout, setTimeout } from '../timers.js'
import type { BatchTarget } from './pipeline.js'
import { Router, type RouterContext, SPECIAL } from './router.js'
import { WatchRegistry } from './watch.js'
import type { WatchHome, WatchSession } from './watch-session.js'

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
  'select',
])

/** For a pool: shared connections for what may share, connections of its own for what may not. */
export class PoolRouter extends Router {
  private subscriber: Line | undefined
  private idleSubscriber: NodeJS.Timeout | undefined
  private watches: WatchRegistry | undefined

  /** @param onWatching told when ordinary commands begin, or cease, to need a look */
  constructor(
    context: RouterContext,
    protected readonly pool: Pool,
    private readonly onWatching: (watching: boolean) => void,
  ) {
    super(context, pool)
  }

  protected place(command: Command, promise: Promise<unknown>, hasCallback: boolean, unordered: boolean): void {
    const { spec, args } = command
    const { name } = spec
    if (unordered && (spec.flags & SPECIAL) === 0) this.pool.sendAll([command], true)
    else if ((spec.flags & FLAG.SUBSCRIBE) !== 0) this.subscribe(command)
    else if (name === 'watch' || name === 'multi') {
      this.watches ??= new WatchRegistry(this.watchHome, this.onWatching)
      this.watches.begin(command, promise, hasCallback)
    } else if (isBlockingCall(spec, args)) this.sendBlocking(command)
    else {
      const session = this.watches?.current()
      if (session === undefined || !this.sendToSession(command, session)) this.sendPlainly(command)
    }
  }

  private sendToSession(command: Command, session: WatchSession): boolean {
    const { name } = command.spec
    if (name === 'select' || name === 'quit') return false
    if (session.state === 'open') {
      if (this.isElsewhere(session, command)) return false
      session.send(command)
      return true
    }
    if (name !== 'exec' && name !== 'discard' && name !== 'unwatch') return false
    session.state = 'over'
    if (name === 'exec') this.pool.fail(command, session.refusal())
    else command.succeed('OK')
    return true
  }

  /** What a watching caller asks of another server goes there, outside of its transaction. */
  protected isElsewhere(_session: WatchSession, _command: Command): boolean {
    return false
  }

  /** A blocking command gives up its place in the order and runs on a connection of its own. */
  private sendBlocking(command: Command): void {
    const { name, upperName } = command.spec
    this.context.limit(command)
    if (name !== 'wait' && name !== 'waitaof') this.pool.run([command], { label: upperName })
    // They ask about writes, which have to be there first; and of those known to their own connection as of its last command.
    else void this.pool.answered().then(() => this.pool.run([command], { label: upperName, afterPing: true }))
  }

  private sendPlainly(command: Command): void {
    const { spec, args } = command
    if (this.handles(command)) return
    if (spec.name === 'select') this.select(command)
    if ((callFlags(spec, args) & FLAG.CONNECTION_STATE) === 0) this.pool.send(command)
    else if (FIT_FOR_LANE.has(spec.name)) this.pool.sendAll([command])
    else this.sendAlone([command])
  }

  protected placeBatch(commands: readonly Command[], exclusive: boolean, unordered: boolean): void {
    const session = this.watches?.current()
    if (session?.state === 'open') session.submitBatch(commands)
    else if (session !== undefined && commands[0]?.spec.name === 'multi') this.refuse(commands, session)
    else if (exclusive) this.sendAlone(commands)
    else {
      const rest = this.withoutSubscriptions(commands)
      for (const command of rest) if (command.spec.name === 'select') this.select(command)
      if (rest.length > 0) this.pool.sendAll(rest, unordered)
    }
  }

  private refuse(commands: readonly Command[], session: WatchSession): void {
    session.state = 'over'
    this.pool.failAll(commands, session.refusal())
  }

  /** On a connection nobody else uses meanwhile. */
  private sendAlone(commands: readonly Command[]): void {
    for (const command of commands) this.context.limit(command)
    this.pool.run(commands, { label: commands.length > 1 ? 'pipeline' : commands[0]!.spec.upperName })
  }

  protected prepareSelect(command: Command, database: number, refused: () => void): void {
    this.pool.prepareSelect(command, database, refused)
  }

  tryAcquire(options: AcquireOptions | undefined): LeasedConnection | undefined {
    return this.pool.tryAcquire(options)
  }

  acquire(options?: AcquireOptions): Promise<LeasedConnection> {
    return this.pool.acquire(options)
  }

  /** The connection on which the running caller watches. */
  transactionTarget(): BatchTarget | undefined {
    const session = this.watches?.current()
    if (session === undefined) return undefined
    const { context } = this
    return {
      submitBatch: (commands, exclusive) => {
        if (session.state === 'open') session.submitBatch(commands)
        else if (session.state === 'over') this.sendBatch(commands, exclusive)
        else this.refuse(commands, session)
      },
      prefixKeys: (spec, args) => context.prefix(spec, args),
    }
  }

  private get watchHome(): WatchHome {
    const { context, pool } = this
    return {
      watchTimeoutMs: context.options.watchTimeoutMs,
      leaseInOrder: async (label, key): Promise<LeasedConnection> => {
        const terms = key === undefined ? { label } : { label, key }
        const [leased] = await Promise.all([pool.acquire(terms), pool.answered()])
        return leased
      },
      isElsewhere: (error) => this.isRedirect(error),
      limit: (command) => context.limit(command),
      fail: (command, error) => pool.fail(command, error),
      prefixKeys: (spec, args) => context.prefix(spec, args),
    }
  }

  /** The server refused because another one has the keys. */
  protected isRedirect(_error: ReplyError): boolean {
    return false
  }

  protected sendSubscription(command: Command): void {
    this.subscriber ??= this.openSubscriber()
    clearTimeout(this.idleSubscriber)
    const { onSettled } = command
    command.onSettled = () => {
      onSettled?.()
      if (this.subscriptions.count === 0) this.restSubscriber()
    }
    this.subscriber.send(command)
  }

  private openSubscriber(): Line {
    // The first subscription opens the connection it waits for.
    const options = { ...this.context.options, enableOfflineQueue: true }
    return this.pool.openLine(
      options,
      {
        onConnecting: () => undefined,
        onReady: () => this.subscriptions.restore(),
        onLost: (error, _willReconnect, silentMs) => this.subscriptions.onLost(silentMs, error.message),
        onError: (error: CenoteError) => this.context.report(error),
        onPush: (connection, items) => this.onPush(connection, items),
      },
      'subscriptions',
    )
  }

  /** Nobody listens any more: the connection goes when that lasts. */
  private restSubscriber(): void {
    clearTimeout(this.idleSubscriber)
    this.idleSubscriber = setTimeout(() => {
      if (this.subscriptions.count > 0) return
      this.subscriber?.destroy()
      this.subscriber = undefined
    }, this.context.options.idleTimeoutMs || 30_000)
    this.idleSubscriber.unref()
  }

  override async close(timeoutMs: number): Promise<void> {
    this.closed = true
    await this.subscriber?.close(timeoutMs)
    this.destroy()
  }

  override destroy(): void {
    super.destroy()
    clearTimeout(this.idleSubscriber)
    this.watches?.close()
    this.subscriber?.destroy()
    this.subscriber = undefined
  }
}
