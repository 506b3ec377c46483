import type { ResolvedOptions } from '../config/options.js'
import { type Command, IDEMPOTENT, INTERNAL, promiseOf, TRANSACTION, whenSettled } from '../connection/command.js'
import type { CloseReason, Connection, Leftovers } from '../connection/connection.js'
import { selectDatabase } from '../connection/handshake.js'
import { newPing, sendInternalCommand } from '../connection/internal.js'
import { type CenoteError, ClosedError, ConnectionError, type ReplyError } from '../errors.js'
import { clearTimeout, setTimeout } from '../timers.js'
import { Backlog } from './backlog.js'
import { expireDue } from './deadlines.js'
import type { Entry } from './entry.js'
import type { Fallback } from './fallback.js'
import { survivorsOf } from './leftovers.js'
import type { Means } from './means.js'
import { Parked } from './parked.js'
import { Slot, type SlotUser } from './slot.js'
import { within } from './time-limit.js'

/** What a lane tells whoever made it. */
export interface LaneEvents {
  onDialing(lane: Lane): void
  onDialFailed(lane: Lane, error: CenoteError): void
  onUp(lane: Lane, entry: Entry): void
  onDown(lane: Lane, error: CenoteError): void
  /** Any of its connections is gone. */
  onConnectionClosed(connection: Connection, reason: CloseReason, error: CenoteError): void
  onPush(connection: Connection, items: unknown[]): void
  /** Something went wrong that no command stands for. */
  onError(error: CenoteError): void
  onNoPermit?(): void
}

/**
 * Commands of many callers over one connection at a time. They go straight to the connection while one is up, and wait,
 * in order, while there is none, or while what the server refused before running it has to go again first.
 */
export class Lane implements SlotUser {
  /** Where commands go right now. The hot path looks at nothing else. */
  private open: Connection | undefined
  private readonly slot: Slot
  private readonly queue = new Parked()
  private readonly backlog: Backlog
  /** Nothing is written until then, active time, and until all that was written is answered; undefined: no such hold. */
  private heldUntil: number | undefined
  private holdTimer: NodeJS.Timeout | undefined
  /** What was refused may be refused again: one of them goes ahead of the others. */
  private wary = false
  private scout: readonly Command[] = []
  private fence: { command: Command; passed: Promise<void> } | undefined
  private closed = false
  /** What the last SELECT that was answered has chosen; those on their way are in the queue. */
  private database: number

  constructor(
    private readonly means: Means,
    private readonly options: ResolvedOptions,
    private readonly events: LaneEvents,
    private readonly fallback: Fallback | undefined = undefined,
  ) {
    this.slot = new Slot(means, options, this)
    this.backlog = new Backlog(options, means.clock)
    this.database = options.db
  }

  /** The connection that takes commands right now. */
  get connection(): Connection | undefined {
    return this.open
  }

  /** The connection in use, also while nothing new is written to it. */
  get entry(): Entry | undefined {
    return this.slot.up
  }

  get entries(): readonly Entry[] {
    return this.slot.entries
  }

  /** Those that owe replies and are not under suspicion yet. */
  get suspects(): readonly Entry[] {
    return this.slot.isSuspended ? [] : this.entries
  }

  /** Commands accepted and not settled. */
  get outstanding(): number {
    let count = this.parked
    for (const { connection } of this.entries) count += connection.inFlight + connection.queued
    return count
  }

  /** Commands that wait for a connection to be written to. */
  get parked(): number {
    return this.queue.count
  }

  get isUp(): boolean {
    return this.slot.up !== undefined
  }

  get holdsPermit(): boolean {
    return this.slot.holdsPermit
  }

  get chosenDatabase(): number {
    return this.database
  }

  connect(): void {
    this.slot.fill()
  }

  send(command: Command): void {
    const connection = this.open
    if (connection === undefined) this.park([command])
    else if (connection.inFlight + connection.queued >= this.backlog.limit || connection.congested) {
      this.sendIfAdmitted(connection, [command])
    } else connection.send(command)
  }

  /** Sends commands that belong together: all of them, one after the other, or none. */
  sendAll(commands: readonly Command[]): void {
    const connection = this.open
    if (connection === undefined) this.park(commands)
    else this.sendIfAdmitted(connection, commands)
  }

  /** What `sendAll` would say. */
  refusalOf(commands: readonly Command[]): CenoteError | undefined {
    const connection = this.open
    return connection === undefined
      ? this.backlog.admitParked(this.queue.waiting, commands)
      : this.backlog.admit(connection, commands)
  }

  private sendIfAdmitted(connection: Connection, commands: readonly Command[]): void {
    const refusal = this.backlog.admit(connection, commands)
    if (refusal !== undefined) {
      this.means.judge.failAll(commands, refusal)
      return
    }
    const now = this.means.clock.refresh()
    for (const command of commands) {
      command.start(now)
      connection.send(command)
    }
  }

  private park(commands: readonly Command[]): void {
    const { judge, clock } = this.means
    if (this.closed) {
      judge.failAll(commands, new ClosedError())
      return
    }
    if (!this.settleElsewhere(commands)) {
      const refusal = this.backlog.admitParked(this.queue.waiting, commands)
      if (refusal !== undefined) judge.failAll(commands, refusal)
      else {
        const now = clock.refresh()
        for (const command of commands) {
          command.start(now)
          this.queue.add(command)
        }
        clock.wake()
      }
    }
    this.slot.fill()
  }

  /** True when they are not to wait here: another client has them, or waiting would be in vain, or is not wanted. */
  private settleElsewhere(commands: readonly Command[]): boolean {
    const { judge, dialer, dial } = this.means
    // While one connection follows another the wait is a matter of moments.
    if (this.slot.isWanting) {
      const reason = this.fallback?.reason()
      if (reason !== undefined) {
        this.fallback!.runAll(commands, reason)
        return true
      }
      const hopeless = dialer.failFastError(dial)
      if (hopeless !== undefined) {
        for (const command of commands) judge.neverSent(command, hopeless)
        return true
      }
    }
    if (this.options.enableOfflineQueue) return false
    judge.failAll(commands, new ConnectionError("Stream isn't writeable and enableOfflineQueue options is false"))
    return true
  }

  onDialing(): void {
    this.events.onDialing(this)
  }

  onDialFailed(error: CenoteError): void {
    this.events.onDialFailed(this, error)
  }

  onDialRefused(error: CenoteError): void {
    for (const command of this.queue.takeAll()) this.means.judge.neverSent(command, error)
  }

  onNoPermit(): void {
    this.events.onNoPermit?.()
  }

  onFilled(entry: Entry): void {
    const { connection } = entry
    this.open = connection
    if (connection.database !== this.database) selectDatabase(connection, this.database)
    this.backlog.reset()
    this.sendParked(connection)
    this.events.onUp(this, entry)
  }

  onShut(): void {
    this.open = undefined
    this.wary = false
    this.scout = []
    this.heldUntil = undefined
    clearTimeout(this.holdTimer)
  }

  onEmptied(error: CenoteError): void {
    this.events.onDown(this, error)
  }

  private sendParked(connection: Connection): void {
    for (const command of this.queue.takeAll()) connection.send(command)
  }

  onErrorReply(entry: Entry, command: Command, error: ReplyError): void {
    const { judge } = this.means
    if ((command.flags & INTERNAL) !== 0) {
      command.fail(error)
      return
    }
    if (isReadOnlyRefusal(error) && this.entry === entry) this.leaveReadOnly(entry)
    // What is inside a transaction is decided with its EXEC.
    const part = entry.inTransaction || ((command.flags & TRANSACTION) !== 0 && command.spec.name !== 'exec')
    const detour = part ? undefined : this.means.detour?.(command, error)
    if (detour === 'taken') return
    const delay = detour ?? (part ? undefined : judge.retryDelayAfter(command, error))
    if (delay === undefined) {
      judge.reject(command, error)
      return
    }
    this.wary = detour !== undefined
    const whole = judge.restart(command, true)
    if (this.scout.includes(command)) this.queue.putFirst(whole)
    else for (const member of whole) this.queue.giveBack(member)
    this.scout = []
    // On its way out, what it refused goes with its successor.
    if (this.entry !== entry) return
    this.hold(entry, delay)
    if (error.kind === 'NOAUTH') this.authenticate(entry)
  }

  /** The server was demoted; the address may lead to its successor by now. */
  private leaveReadOnly({ connection }: Entry): void {
    const unsent = this.open === undefined ? undefined : connection.takeUnsent()
    if (unsent !== undefined) this.queue.unsend(unsent)
    if (!this.slot.leaveReadOnly() && this.open !== undefined) this.sendParked(connection)
  }

  /**
   * What the server refused goes again before anything else does. Until all that was written has been answered, nobody
   * knows whether more of it was refused, so nothing is written.
   */
  private hold(entry: Entry, milliseconds: number): void {
    const { clock } = this.means
    if (this.heldUntil === undefined) {
      this.open = undefined
      this.queue.unsend(entry.connection.takeUnsent())
    }
    this.heldUntil = Math.max(this.heldUntil ?? 0, clock.now + milliseconds)
    if (milliseconds === Number.POSITIVE_INFINITY) return
    clearTimeout(this.holdTimer)
    this.holdTimer = setTimeout(() => this.release(), milliseconds)
    clock.wake()
  }

  /** Ends a hold once its time is up and everything was answered. */
  private release(): void {
    const { entry, heldUntil } = this
    if (heldUntil === undefined || entry === undefined || entry.connection.inFlight > 0) return
    if (this.means.clock.refresh() < heldUntil) return
    if (this.wary) {
      this.wary = false
      this.scout = this.queue.takeFirst()
      for (const command of this.scout) entry.connection.send(command)
      if (this.scout.length > 0) return
    }
    this.scout = []
    this.heldUntil = undefined
    clearTimeout(this.holdTimer)
    this.open = entry.connection
    this.sendParked(entry.connection)
  }

  /** The server forgot who we are; until it knows again it would refuse everything. */
  private authenticate(entry: Entry): void {
    const { credentials, clock, options, counters } = this.means
    this.hold(entry, Number.POSITIVE_INFINITY)
    within(clock, options.connectTimeoutMs, 'Authenticating anew', credentials.renew(entry.connection))
      .catch((error: CenoteError) => {
        counters.lastError = error.message
        if (entry.isOpen) this.events.onError(error)
      })
      .finally(() => {
        if (this.heldUntil !== undefined && this.entry === entry) this.heldUntil = 0
        this.release()
      })
  }

  onPush(entry: Entry, items: unknown[]): void {
    this.events.onPush(entry.connection, items)
  }

  onPathDown(entry: Entry): void {
    this.slot.suspend(entry)
  }

  onDead(entry: Entry, error: CenoteError, fresh: Entry | undefined): boolean {
    return this.slot.onDead(entry, error, fresh)
  }

  onClosed(entry: Entry, reason: CloseReason, error: CenoteError, leftovers: Leftovers): void {
    const { judge } = this.means
    for (const command of survivorsOf(leftovers, error, judge)) {
      if (this.closed) judge.abandon(command, error)
      else this.queue.giveBack(command)
    }
    this.scout = []
    this.events.onConnectionClosed(entry.connection, reason, error)
    this.slot.onClosed(entry, error)
  }

  tick(now: number): boolean {
    const { judge, dialer } = this.means
    for (const { connection } of this.entries) expireDue(connection, now, judge)
    if (this.open !== undefined) this.backlog.tick(this.open)
    this.release()
    this.slot.regain()
    for (const command of this.queue.takeDue(now)) judge.expire(command, undefined, dialer.lastFailure?.message)
    if (this.parked > 0) {
      this.divert()
      this.slot.fill()
    }
    return this.outstanding > 0
  }

  /** What waits goes to the fallback once that has become the better place. */
  private divert(): void {
    if (!this.slot.isWanting) return
    const reason = this.fallback?.reason()
    if (reason === 'breaker-open') this.fallback!.runAll(this.queue.takeAll(), reason)
  }

  /** Gives up what was accepted and not written, for another server to take: what had been sent before, and the rest. */
  withdraw(): { returned: Command[]; waiting: Command[] } {
    for (const { connection } of this.entries) {
      const unsent = connection.takeUnsent()
      if (unsent !== undefined) this.queue.unsend(unsent)
    }
    return { returned: this.queue.takeReturned(), waiting: this.queue.takeAll() }
  }

  /** Commands that were accepted before, by another server or by this one, so that no limit holds against them. */
  resume(commands: readonly Command[]): void {
    const connection = this.open
    if (connection !== undefined) for (const command of commands) connection.send(command)
    else if (this.closed) this.means.judge.failAll(commands, new ClosedError())
    else {
      if (!this.settleElsewhere(commands)) for (const command of commands) this.queue.add(command)
      this.means.clock.wake()
      this.slot.fill()
    }
  }

  /** Resolves once everything that is on its connections now was answered or lost; undefined when nothing is. */
  settled(): Promise<void> | undefined {
    const busy = this.entries.flatMap(({ connection }) => (connection.oldest === undefined ? [] : connection))
    if (busy.length === 0) return undefined
    const last = busy[busy.length - 1]!
    if (this.fence !== undefined && this.fence.command === last.newest) return this.fence.passed
    const command = newPing()
    const answers = busy.map((connection) =>
      sendInternalCommand(connection, connection === last ? command : newPing()).then(ignore, ignore),
    )
    const passed = Promise.all(answers).then(ignore)
    this.fence = { command, passed }
    return passed
  }

  /** Opens no more connections: another server has taken the place of this one. */
  rest(error: CenoteError): void {
    this.slot.close(error)
  }

  /** Drops its connections and opens no others: what was written is lost, the rest can be withdrawn. */
  cut(error: CenoteError): void {
    this.slot.close(error)
    for (const { connection } of this.entries) connection.close('moved', error)
  }

  /** Resolves when everything accepted so far was answered. */
  answered(): Promise<void> {
    if (this.outstanding === 0) return Promise.resolve()
    // Through the lane, not its connection: what waits counts too.
    const ping = newPing()
    ping.flags = IDEMPOTENT
    ping.timeoutMs = this.options.commandTimeoutMs
    const answered = promiseOf(ping).then(
      () => undefined,
      () => undefined,
    )
    this.send(ping)
    return answered
  }

  /**
   * Called before a SELECT is sent.
   * @param refused called when the server says no
   */
  prepareSelect(command: Command, database: number, refused: () => void): void {
    let accepted = false
    command.transform = (reply) => {
      accepted = true
      this.useDatabase(database)
      return reply
    }
    whenSettled(command, () => {
      if (!accepted) refused()
    })
  }

  /** From now on commands are for this database, whichever connection carries them. */
  useDatabase(database: number): void {
    this.database = database
    for (const { connection } of this.entries) connection.database = database
  }

  /** Replaces a live connection without losing order. */
  renew(): void {
    this.slot.renew()
  }

  /** Drops its connection and opens another. */
  reconnect(error: CenoteError): void {
    this.slot.reconnect(error)
  }

  /** Opens another connection; the old one has `graceMs` to answer what it owes. */
  renewNow(error: CenoteError, graceMs: number): void {
    if (this.heldUntil !== undefined) this.reconnect(error)
    else this.slot.renewNow(error, graceMs)
  }

  /** Rejects what waits; what was accepted is written and may still be answered. */
  finish(error: CenoteError): void {
    this.close(error)
    this.slot.finish()
  }

  destroy(error: CenoteError): void {
    this.close(error)
    this.slot.destroy(error)
  }

  private close(error: CenoteError): void {
    this.closed = true
    clearTimeout(this.holdTimer)
    for (const command of this.queue.takeAll()) this.means.judge.abandon(command, error)
    this.slot.close(error)
  }
}

/** The server's own words: a script may end in others that begin alike. */
const isReadOnlyRefusal = ({ message }: ReplyError): boolean =>
  /^READONLY You can't write against a read only \w+\.?/.test(message)

const ignore = (): void => undefined
