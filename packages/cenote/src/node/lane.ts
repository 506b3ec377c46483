import type { ResolvedOptions } from '../config/options.js'
import type { LoopClock } from '../connection/clock.js'
import { type Command, INTERNAL, REFUSED, SETTLED, WAITING } from '../connection/command.js'
import type { CloseReason, Connection, ConnectionOwner, Leftovers } from '../connection/connection.js'
import { selectDatabase } from '../connection/handshake.js'
import { type CenoteError, ClosedError, ConnectionError, type ReplyError } from '../errors.js'
import { Backlog } from './backlog.js'
import { Checkpoint } from './checkpoint.js'
import { CommandQueue } from './command-queue.js'
import { expireDue } from './deadlines.js'
import type { DialRequest } from './dialer.js'
import type { PoolParts } from './parts.js'
import { survivorsOf } from './survivors.js'

/** What a lane tells the pool. */
export interface LaneEvents {
  onLaneReady(lane: Lane): void
  onLaneLost(lane: Lane, error: CenoteError): void
  onConnectionClosed(connection: Connection, reason: CloseReason, error: CenoteError): void
  onPush(connection: Connection, items: unknown[]): void
}

/**
 * After a server was demoted, commands wait so long, ms, for one that says it is the primary: a failover takes a
 * moment, and what an old primary still answers may be out of date.
 */
const FENCE_MS = 2_000
const FENCE_DIAL_MS = 100
/** A server that stays read-only is not dialled again at every refusal, ms: at first soon, then ever less often. */
const READ_ONLY_PAUSE_MS = 100
const READ_ONLY_PAUSE_MAX_MS = 5_000

/**
 * A slot for one shared connection. Commands go straight to the connection while there is one, and are parked, in
 * order, while there is none. The slot is emptied only by the connection that is still in it, so a late error of an
 * old connection cannot knock out its successor.
 */
export class Lane implements ConnectionOwner, DialRequest {
  connection: Connection | undefined
  readonly parked = new CommandQueue()
  readonly owner = this
  readonly urgent = true
  /** Was in the slot and still owes replies; nothing new is written to it. */
  private leaving: Connection | undefined
  /** When {@link leaving} came under suspicion: the path to the server is down, and it may yet speak again. */
  private suspectedAt: number | undefined
  /** Ready, and waiting for {@link leaving} to answer what it owes, so that the order is kept. */
  private successor: Connection | undefined
  private requested = false
  /** The dial asked for is to replace a connection that works. */
  private renewing = false
  /** A second connection is open or being opened beside the one this lane always may have. */
  private beside = false
  private readOnlyAt: number | undefined
  private readOnlyPause = 0
  /** Until then only a primary is let into the slot. */
  private fencedUntil = 0
  private fenceTimer: NodeJS.Timeout | undefined
  private readonly retries = new Map<Command, NodeJS.Timeout>()
  private readonly backlog: Backlog
  private readonly checkpoint = new Checkpoint()
  private closed = false
  /** Whether commands may wait while there is no connection. */
  private readonly parks: boolean
  /** What the last SELECT that was answered has chosen; those on their way are in the queue. */
  database: number

  constructor(
    readonly index: number,
    options: ResolvedOptions,
    private readonly clock: LoopClock,
    private readonly parts: PoolParts,
    private readonly events: LaneEvents,
  ) {
    this.backlog = new Backlog(options, clock)
    this.database = options.db
    this.parks = options.enableOfflineQueue
  }

  /** Commands accepted and not settled, delayed retries included. */
  get outstanding(): number {
    const { connection } = this
    const live = connection === undefined ? 0 : connection.inFlight + connection.queued
    return live + this.parked.count + this.retries.size + (this.leaving?.inFlight ?? 0)
  }

  send(command: Command): void {
    const connection = this.connection
    if (connection === undefined) this.park(command)
    else if (connection.inFlight + connection.queued >= this.backlog.limit || connection.congested) {
      const refusal = this.backlog.admit(connection, command)
      if (refusal === undefined) connection.send(command)
      else this.parts.judge.fail(command, refusal)
    } else connection.send(command)
  }

  /** Single-flight: makes sure a connection is there or on its way. */
  connect(): void {
    if (this.connection !== undefined || this.requested || this.closed || this.successor !== undefined) return
    if (this.fenceTimer !== undefined || (this.leaving !== undefined && !this.takeBeside())) return
    this.requested = true
    this.parts.dialer.request(this)
  }

  private park(command: Command): void {
    const { judge, dialer, fallback } = this.parts
    if (this.closed) {
      judge.fail(command, new ClosedError())
      return
    }
    if ((command.flags & INTERNAL) === 0) {
      if (fallback !== undefined && !this.isDraining && !this.parts.serving()) {
        fallback.run(command, dialer.breaker.state === 'closed' ? 'not-started' : 'breaker-open')
        this.connect()
        return
      }
      const hopeless = dialer.failFastError()
      if (hopeless !== undefined) {
        judge.neverSent(command, hopeless)
        this.connect()
        return
      }
    }
    if (!this.parks) {
      judge.neverSent(command, new ConnectionError("Stream isn't writeable and enableOfflineQueue options is false"))
      this.connect()
      return
    }
    const refusal = this.backlog.admitParked(this.parked, command)
    if (refusal !== undefined) {
      judge.fail(command, refusal)
      return
    }
    if (command.startedAt === 0) command.startedAt = this.clock.refresh()
    if (command.timeoutMs > 0 && command.deadline === Number.POSITIVE_INFINITY) {
      command.deadline = command.startedAt + command.timeoutMs
    }
    this.parked.push(command)
    this.clock.wake()
    this.connect()
  }

  granted(connection: Connection): void {
    this.requested = false
    const { renewing } = this
    this.renewing = false
    if (this.closed) {
      connection.close('pool-closed', new ClosedError())
      return
    }
    connection.owner = this
    if (connection.serverRole === 'replica' && this.clock.refresh() < this.fencedUntil) {
      this.settleBeside()
      connection.close('read-only', new ConnectionError('The server is a replica; looking for the primary'))
      this.fenceTimer = setTimeout(() => {
        this.fenceTimer = undefined
        this.connect()
      }, FENCE_DIAL_MS)
      return
    }
    this.fencedUntil = 0
    if (this.suspectedAt !== undefined && !this.regain()) {
      this.vacated = true
      this.leaving!.close(
        'watchdog',
        new ConnectionError('the connection stayed silent while a new one could be opened'),
      )
      this.vacated = false
      this.install(connection)
    } else if (this.connection !== undefined && !renewing) {
      connection.close('doubtful', new ConnectionError('The connection it was to replace has come back'))
    } else if (this.connection !== undefined) {
      this.leave('max-lifetime', connection)
    } else if (this.leaving !== undefined) {
      this.successor = connection
    } else this.install(connection)
  }

  refused(error: CenoteError): void {
    this.requested = false
    this.renewing = false
    this.settleBeside()
    if (this.connection !== undefined) return
    this.parked.forEachTaken((command) => this.parts.judge.neverSent(command, error))
  }

  /** From now on commands are for this database, whichever connection carries them. */
  useDatabase(database: number): void {
    this.database = database
    if (this.connection !== undefined) this.connection.database = database
  }

  private install(connection: Connection): void {
    this.connection = connection
    if (connection.database !== this.database) selectDatabase(connection, this.database)
    this.settleBeside()
    this.backlog.reset()
    this.parked.forEachTaken((command) => {
      if (command.stage !== SETTLED) connection.send(command)
    })
    this.events.onLaneReady(this)
  }

  /** Replaces a live connection without losing order: the new one starts when the old one has answered everything. */
  renew(): void {
    if (this.requested || this.connection === undefined || this.leaving !== undefined || this.closed) return
    if (!this.takeBeside()) return
    this.requested = true
    this.renewing = true
    this.parts.dialer.request(this)
  }

  /** Empties the slot; its connection answers what it owes and closes. */
  private leave(reason: CloseReason, successor: Connection | undefined): void {
    const old = this.connection!
    this.connection = undefined
    this.leaving = old
    this.successor = successor
    old.drain(reason)
    if (this.leaving !== undefined) this.connect()
  }

  /** The path to the server is down: what is not written yet stays here, where its outcome is certain. */
  suspend(silent: Connection): void {
    if (this.connection !== silent || this.leaving !== undefined || this.closed) return
    this.connection = undefined
    this.leaving = silent
    this.suspectedAt = this.clock.now
    this.connect()
  }

  /** The suspect spoke again: it goes back into the slot with all that was parked meanwhile. */
  private regain(): boolean {
    const { leaving } = this
    if (leaving === undefined || leaving.lastReadAt <= this.suspectedAt!) return false
    this.suspectedAt = undefined
    this.leaving = undefined
    if (this.requested && this.parts.dialer.withdraw(this)) this.requested = false
    this.install(leaving)
    return true
  }

  tick(now: number): boolean {
    const { connection, leaving, parked } = this
    const { judge, watchdog, dialer, fallback } = this.parts
    if (connection !== undefined) {
      this.backlog.tick(connection)
      this.checkpoint.tick(connection, now)
      expireDue(connection, now, judge)
      watchdog.inspect(connection, now, this)
    }
    if (leaving !== undefined) {
      expireDue(leaving, now, judge)
      if (this.suspectedAt === undefined) watchdog.inspect(leaving, now, this)
      else this.regain()
    }
    if (now >= parked.nextDeadline) {
      for (const command of parked.takeDue(now)) judge.expire(command, undefined, dialer.lastFailure?.message)
    }
    if (parked.count > 0) {
      if (fallback !== undefined && dialer.breaker.state !== 'closed' && !this.isDraining) {
        parked.forEachTaken((command) => {
          if (command.stage !== SETTLED) fallback.run(command, 'breaker-open')
        })
      }
      this.connect()
    }
    return this.outstanding > 0
  }

  /** Called by the watchdog, which has proven that the connection is dead. */
  replace(silent: Connection, error: CenoteError, fresh: Connection | undefined): boolean {
    if (this.closed || (this.connection !== silent && this.leaving !== silent)) return false
    const wasInSlot = this.connection === silent
    this.vacated = wasInSlot && fresh !== undefined
    silent.close('watchdog', error)
    if (!this.vacated) return false
    this.vacated = false
    fresh!.owner = this
    this.install(fresh!)
    return true
  }

  /** While set, the slot is about to be filled, so losing its connection asks for no dial. */
  private vacated = false

  onErrorReply(connection: Connection, command: Command, error: ReplyError): void {
    const { judge } = this.parts
    if ((command.flags & INTERNAL) !== 0) {
      command.fail(error)
      return
    }
    if (error.kind === 'NOAUTH') this.parts.authenticate(connection)
    if (error.kind === 'READONLY' && connection === this.connection) this.doubtRole()
    const delay = judge.retryDelayAfter(command, error)
    if (delay === undefined) {
      judge.reject(command, error)
      return
    }
    command.stage = WAITING
    command.flags |= REFUSED
    const timer = setTimeout(() => {
      this.retries.delete(command)
      if (command.stage !== SETTLED) this.send(command)
    }, delay)
    this.retries.set(command, timer)
  }

  /** The address may lead to another server by now; only a new dial can tell. */
  private doubtRole(): void {
    const now = this.clock.now
    const since = this.readOnlyAt === undefined ? Number.POSITIVE_INFINITY : now - this.readOnlyAt
    if (since < this.readOnlyPause) return
    this.readOnlyPause = since > 30_000 ? READ_ONLY_PAUSE_MS : Math.min(READ_ONLY_PAUSE_MAX_MS, this.readOnlyPause * 2)
    this.readOnlyAt = now
    // One that called itself a replica from the start was chosen as such.
    if (this.connection!.serverRole === 'master') this.fencedUntil = now + FENCE_MS
    // Not closed: what it owes are answers to commands that may have run.
    this.leave('read-only', undefined)
  }

  onPush(connection: Connection, items: unknown[]): void {
    this.events.onPush(connection, items)
  }

  onClosed(connection: Connection, reason: CloseReason, error: CenoteError, leftovers: Leftovers): void {
    const current = connection === this.connection
    if (current) this.connection = undefined
    const later = this.parked.takeAll()
    for (const command of survivorsOf(leftovers, error, this.parts.judge)) {
      if (!this.closed) this.parked.push(command)
      else this.parts.judge.abandon(command, error)
    }
    for (let command = later; command !== undefined; ) {
      const next: Command | undefined = command.next
      this.parked.push(command)
      command = next
    }
    this.events.onConnectionClosed(connection, reason, error)
    if (connection === this.leaving) {
      this.leaving = undefined
      this.suspectedAt = undefined
      const { successor } = this
      this.successor = undefined
      if (successor !== undefined && !this.closed) this.install(successor)
      else this.settleBeside()
      if (!this.closed && !this.vacated) this.connect()
    } else if (connection === this.successor) {
      this.successor = undefined
      this.settleBeside()
    } else if (current) {
      this.events.onLaneLost(this, error)
      if (!this.closed && !this.vacated) this.connect()
    }
  }

  private get isDraining(): boolean {
    return this.leaving !== undefined && this.suspectedAt === undefined
  }

  private takeBeside(): boolean {
    this.beside ||= this.parts.budget.takeReserve()
    return this.beside
  }

  /** Gives the second permit back once there is one connection again. */
  private settleBeside(): void {
    if (!this.beside || this.requested) return
    if (this.leaving !== undefined && (this.connection !== undefined || this.successor !== undefined)) return
    this.beside = false
    this.parts.budget.giveReserve()
  }

  /** Rejects what has not been written; what has been may still be answered. */
  close(error: CenoteError): void {
    const { judge, dialer } = this.parts
    this.closed = true
    clearTimeout(this.fenceTimer)
    if (dialer.withdraw(this)) this.requested = false
    for (const [command, timer] of this.retries) {
      clearTimeout(timer)
      judge.neverSent(command, error)
    }
    this.retries.clear()
    this.parked.forEachTaken((command) => judge.abandon(command, error))
    this.successor?.close('pool-closed', error)
  }

  destroy(error: CenoteError): void {
    this.close(error)
    this.leaving?.close('pool-closed', error)
    this.connection?.close('pool-closed', error)
  }
}
