import type { ResolvedOptions } from '../config/options.js'
import type { LoopClock } from '../connection/clock.js'
import { type Command, INTERNAL, SETTLED, TRANSACTION, WAITING } from '../connection/command.js'
import type { CloseReason, Connection, ConnectionOwner, Leftovers } from '../connection/connection.js'
import { type CenoteError, ClosedError, ConnectionError, OverloadedError, type ReplyError } from '../errors.js'
import type { Counters } from '../observe/counters.js'
import { CommandQueue } from './command-queue.js'
import { expireDue } from './deadlines.js'
import type { Dialer, DialRequest } from './dialer.js'
import type { Judge } from './verdict.js'
import type { Watchdog } from './watchdog.js'

/** What a lane tells the pool. */
export interface LaneEvents {
  onLaneReady(lane: Lane): void
  onLaneLost(lane: Lane, error: CenoteError): void
  onConnectionClosed(connection: Connection, reason: CloseReason, error: CenoteError): void
  onPush(connection: Connection, items: unknown[]): void
}

/**
 * A slot for one shared connection. Commands go straight to the connection while there is one, and are parked, in
 * order, while there is none. The slot is emptied only by the connection that is still in it, so a late error of an
 * old connection cannot knock out its successor.
 */
export class Lane implements ConnectionOwner, DialRequest {
  connection: Connection | undefined
  readonly parked = new CommandQueue()
  readonly owner = this
  private requested = false
  private retiring: Connection | undefined
  private readonly retries = new Map<Command, NodeJS.Timeout>()
  private closed = false

  constructor(
    readonly index: number,
    private readonly options: ResolvedOptions,
    private readonly clock: LoopClock,
    private readonly counters: Counters,
    private readonly judge: Judge,
    private readonly dialer: Dialer,
    private readonly watchdog: Watchdog,
    private readonly events: LaneEvents,
  ) {}

  /** Commands accepted and not settled, delayed retries included. */
  get outstanding(): number {
    const { connection } = this
    const live = connection === undefined ? 0 : connection.inFlight + connection.queued
    return live + this.parked.count + this.retries.size + (this.retiring?.inFlight ?? 0)
  }

  send(command: Command): void {
    const connection = this.connection
    if (connection === undefined) this.park(command)
    else if (connection.inFlight + connection.queued >= this.options.maxQueuedCommands) this.refuse(command)
    else connection.send(command)
  }

  /** Single-flight: makes sure a connection is there or on its way. */
  connect(): void {
    if (this.connection !== undefined || this.requested || this.closed) return
    this.requested = true
    this.dialer.request(this)
  }

  private park(command: Command): void {
    if (this.closed) {
      this.judge.fail(command, new ClosedError())
      return
    }
    const hopeless = this.dialer.failFastError()
    if (hopeless !== undefined && (command.flags & INTERNAL) === 0) {
      this.judge.neverSent(command, hopeless)
      this.connect()
      return
    }
    const { parked } = this
    if (parked.count >= this.options.maxQueuedCommands || parked.bytes >= this.options.maxQueuedBytes) {
      this.refuse(command)
      return
    }
    if (command.startedAt === 0) command.startedAt = this.clock.refresh()
    if (command.timeoutMs > 0 && command.deadline === Number.POSITIVE_INFINITY) {
      command.deadline = command.startedAt + command.timeoutMs
    }
    parked.push(command)
    this.clock.wake()
    if (this.retiring === undefined) this.connect()
  }

  private refuse(command: Command): void {
    const { connection, parked, options } = this
    const count = connection === undefined ? parked.count : connection.inFlight + connection.queued
    this.judge.fail(
      command,
      new OverloadedError(
        `${command.spec.upperName} was refused: ${count} commands (${parked.bytes} bytes parked) already wait; the limits are ${options.maxQueuedCommands} commands (maxQueuedCommands) and ${options.maxQueuedBytes} bytes (maxQueuedBytes). Slow down and retry`,
        Math.max(50, Math.round(this.counters.latency.percentile(0.5))),
      ),
    )
  }

  granted(connection: Connection): void {
    this.requested = false
    if (this.closed) {
      connection.close('pool-closed', new ClosedError())
      return
    }
    const old = this.connection
    if (old === undefined) this.install(connection)
    else this.succeed(old, connection)
  }

  refused(error: CenoteError): void {
    this.requested = false
    if (this.connection !== undefined) return
    for (let command = this.parked.takeAll(); command !== undefined; ) {
      const next: Command | undefined = command.next
      this.judge.neverSent(command, error)
      command = next
    }
  }

  private install(connection: Connection): void {
    connection.owner = this
    this.connection = connection
    for (let command = this.parked.takeAll(); command !== undefined; ) {
      const next: Command | undefined = command.next
      command.next = undefined
      if (command.stage !== SETTLED) connection.send(command)
      command = next
    }
    this.events.onLaneReady(this)
  }

  /** Replaces a live connection without losing order: the new one starts when the old one has answered everything. */
  renew(): void {
    if (this.requested || this.connection === undefined || this.closed) return
    this.requested = true
    this.dialer.request(this)
  }

  private successor: Connection | undefined

  private succeed(old: Connection, fresh: Connection): void {
    this.connection = undefined
    this.retiring = old
    this.successor = fresh
    old.drain('max-lifetime')
  }

  tick(now: number): boolean {
    const { connection } = this
    if (connection !== undefined) {
      expireDue(connection, now, this.judge)
      this.watchdog.inspect(connection, now, (error, fresh) => this.replaceSilent(connection, error, fresh))
    }
    if (this.retiring !== undefined) expireDue(this.retiring, now, this.judge)
    if (now >= this.parked.nextDeadline) {
      for (const command of this.parked.takeDue(now)) {
        this.judge.expire(command, undefined, this.dialer.lastFailure?.message)
      }
    }
    return this.outstanding > 0
  }

  private replaceSilent(silent: Connection, error: CenoteError, fresh: Connection | undefined): boolean {
    if (this.connection !== silent || this.closed) return false
    silent.close('watchdog', error)
    if (fresh === undefined || this.connection !== undefined) return false
    this.install(fresh)
    return true
  }

  onErrorReply(connection: Connection, command: Command, error: ReplyError): void {
    if ((command.flags & INTERNAL) !== 0) {
      command.fail(error)
      return
    }
    const delay = this.judge.retryDelayAfter(command, error)
    if (delay === undefined) {
      this.judge.reject(command, error)
    } else {
      command.stage = WAITING
      const timer = setTimeout(() => {
        this.retries.delete(command)
        if (command.stage !== SETTLED) this.send(command)
      }, delay)
      this.retries.set(command, timer)
    }
    if (error.kind === 'READONLY' && connection === this.connection) {
      // The address may lead to another server by now; only a new dial can tell.
      connection.close('read-only', new ConnectionError(`the server became read-only: ${error.message}`))
    }
  }

  onPush(connection: Connection, items: unknown[]): void {
    this.events.onPush(connection, items)
  }

  onClosed(connection: Connection, reason: CloseReason, error: CenoteError, leftovers: Leftovers): void {
    const current = connection === this.connection
    if (current) this.connection = undefined
    const later = this.parked.takeAll()
    for (const command of this.survivors(leftovers, error)) {
      if (!this.closed) this.parked.push(command)
      else if (command.attempts > 0) this.judge.loseWritten(command, error)
      else this.judge.neverSent(command, error)
    }
    for (let command = later; command !== undefined; ) {
      const next: Command | undefined = command.next
      this.parked.push(command)
      command = next
    }
    this.events.onConnectionClosed(connection, reason, error)
    if (connection === this.retiring) {
      this.retiring = undefined
      const fresh = this.successor
      this.successor = undefined
      if (fresh !== undefined && fresh.state === 'ready' && !this.closed) this.install(fresh)
      else this.connect()
    } else if (connection === this.successor) {
      this.successor = undefined
    } else if (current) {
      this.events.onLaneLost(this, error)
      if (!this.closed) this.connect()
    }
  }

  /** Commands that live on after their connection, in order, each once; settles the others. */
  private survivors(leftovers: Leftovers, error: CenoteError): Set<Command> {
    const survivors = new Set<Command>()
    for (const command of [...toArray(leftovers.written), ...toArray(leftovers.unsent)]) {
      if (command.stage === SETTLED || survivors.has(command)) continue
      if ((command.flags & TRANSACTION) !== 0) {
        const whole = command.batch?.recall()
        if (whole === undefined) this.judge.loseWritten(command, error)
        else for (const member of toArray(whole)) survivors.add(member)
      } else if (command.stage === WAITING || this.judge.survivesLoss(command, error)) {
        survivors.add(command)
      }
    }
    return survivors
  }

  /** Rejects what has not been written; what has been may still be answered. */
  close(error: CenoteError): void {
    this.closed = true
    this.dialer.withdraw(this)
    for (const [command, timer] of this.retries) {
      clearTimeout(timer)
      this.judge.neverSent(command, error)
    }
    this.retries.clear()
    for (let command = this.parked.takeAll(); command !== undefined; ) {
      const next: Command | undefined = command.next
      this.judge.neverSent(command, error)
      command = next
    }
    this.successor?.close('pool-closed', error)
  }

  destroy(error: CenoteError): void {
    this.close(error)
    this.retiring?.close('pool-closed', error)
    this.connection?.close('pool-closed', error)
  }
}

function toArray(first: Command | undefined): Command[] {
  const commands: Command[] = []
  for (let command = first; command !== undefined; command = command.next) commands.push(command)
  return commands
}
