import type { ResolvedOptions } from '../config/options.js'
import { TICK_MS } from '../connection/clock.js'
import { BLOCKING, type Command, whenSettled } from '../connection/command.js'
import type { CloseReason, Connection } from '../connection/connection.js'
import { type CenoteError, ClosedError, ConnectionError } from '../errors.js'
import { blockTimeoutMs } from '../metadata/lookup.js'
import { monotonic } from '../timers.js'
import type { Dialer } from './dialer.js'
import { type Entry, IN_MULTI } from './entry.js'
import { Lane, type LaneEvents } from './lane.js'
import type { Liveness } from './liveness.js'
import type { Means } from './means.js'

/** What a line tells its user. */
export interface LineEvents {
  onConnecting(): void
  onReady(connection: Connection): void
  /** @param silentMs how long nothing had been heard when it was lost */
  onLost(error: CenoteError, willReconnect: boolean, silentMs: number): void
  onError(error: CenoteError): void
  onPush(connection: Connection, items: unknown[]): void
  /** What it carries belongs to its server, and means nothing on another. */
  readonly bound?: boolean
}

/** Where a line is counted. */
export interface LineHome {
  /** Who holds the connections, for a complaint that there is none left. */
  describeHolders(): string
  onConnectionClosed(connection: Connection, reason: CloseReason, error: CenoteError): void
  onLineGone(line: Line): void
}

/**
 * One connection of its own, kept open: for duplicates, subscriptions, MONITOR. Everything goes over it in order; what
 * waits at the server makes the rest wait.
 */
export class Line implements LaneEvents {
  readonly createdAt = monotonic()
  private lane: Lane
  private closing = false
  private whenDrained: (() => void) | undefined
  /** Active time until which the server holds a blocking command of ours; Infinity: nobody knows how long. */
  private heldUntil = 0
  private holding = 0
  /** Its user is inside MULTI. */
  private inTransaction = false
  private silentMs = 0

  constructor(
    private means: Means,
    public liveness: Liveness,
    private home: LineHome,
    private readonly events: LineEvents,
    /** Who uses it, for complaints that there are too few connections. */
    readonly label: string,
  ) {
    this.lane = new Lane(means, means.options, this)
  }

  get options(): ResolvedOptions {
    return this.means.options
  }

  /** Message of the last error on the way to the server. */
  get lastError(): string | undefined {
    return this.means.counters.lastError
  }

  get dialer(): Dialer {
    return this.means.dialer
  }

  get entry(): Entry | undefined {
    return this.lane.entry
  }

  /** Its connections, one but for a moment. */
  get entries(): readonly Entry[] {
    return this.lane.entries
  }

  get suspects(): readonly Entry[] {
    return this.lane.suspects
  }

  get parked(): number {
    return this.lane.parked
  }

  /** Another server of the same cluster will do as well. */
  get isMovable(): boolean {
    return this.events.bound !== true
  }

  get holdsPermit(): boolean {
    return this.lane.holdsPermit
  }

  connect(): void {
    this.lane.connect()
  }

  /** Goes on with another server; what was written to the old one is lost, as with its connection. */
  move(means: Means, liveness: Liveness, home: LineHome): void {
    const { lane } = this
    const error = new ConnectionError('Its server was left')
    lane.cut(error)
    const { returned, waiting } = lane.withdraw()
    lane.destroy(error)
    this.means = means
    this.liveness = liveness
    this.home = home
    this.lane = new Lane(means, means.options, this)
    this.lane.connect()
    this.lane.resume([...returned, ...waiting])
  }

  send(command: Command): void {
    if (this.closing) this.means.judge.fail(command, new ClosedError())
    else {
      this.prepare(command)
      this.lane.send(command)
    }
  }

  /** Commands that belong together. */
  sendAll(commands: readonly Command[]): void {
    if (this.closing) this.means.judge.failAll(commands, new ClosedError())
    else {
      for (const command of commands) this.prepare(command)
      this.lane.sendAll(commands)
    }
  }

  private prepare(command: Command): void {
    if ((command.flags & BLOCKING) !== 0) this.prepareToWait(command)
    else if (this.holding > 0 && command.timeoutMs > 0) {
      // Its place is behind a command that waits at the server; that time is not held against it.
      const heldFor = Math.max(0, this.heldUntil - this.means.clock.now)
      command.timeoutMs = this.heldUntil === Number.POSITIVE_INFINITY ? 0 : command.timeoutMs + heldFor
    }
    const { name } = command.spec
    if (name === 'multi') this.inTransaction = true
    else if (name === 'exec' || name === 'discard') {
      whenSettled(command, () => {
        this.inTransaction = false
      })
    }
    this.entry?.track(command)
  }

  private prepareToWait(command: Command): void {
    const block = blockTimeoutMs(command.spec, command.args) ?? 0
    const finite = block !== Number.POSITIVE_INFINITY
    command.timeoutMs = finite ? block + this.options.blockingGraceMs : 0
    if (this.holding > 0 && finite) {
      command.timeoutMs = this.heldUntil === Number.POSITIVE_INFINITY ? 0 : command.timeoutMs + this.heldFor
    }
    this.heldUntil = finite
      ? Math.max(this.heldUntil, this.means.clock.refresh()) + block + this.options.blockingGraceMs
      : Number.POSITIVE_INFINITY
    this.holding++
    whenSettled(command, () => {
      if (--this.holding === 0) this.heldUntil = 0
    })
  }

  private get heldFor(): number {
    return Math.max(0, this.heldUntil - this.means.clock.now)
  }

  /** Its caller's signal fired. A command that waits at the server goes with the connection. */
  cancel(command: Command, reason: unknown): void {
    const waits = (command.flags & BLOCKING) !== 0 && command.attempts > 0
    this.means.judge.abort(command, reason)
    if (waits) this.reconnect(new ConnectionError('Closed because its blocking command was aborted'))
  }

  fail(command: Command, error: CenoteError): void {
    this.means.judge.fail(command, error)
  }

  /** @param refused called when the server says no */
  prepareSelect(command: Command, database: number, refused: () => void): void {
    this.lane.prepareSelect(command, database, refused)
  }

  /** Drops its connection and opens another. */
  reconnect(error: CenoteError): void {
    this.lane.reconnect(error)
  }

  /** Opens another connection; the old one has `graceMs` to answer what it owes. */
  replace(error: CenoteError, graceMs: number): void {
    this.lane.renewNow(error, graceMs)
  }

  renewCredentials(): void {
    const { credentials, counters } = this.means
    for (const { connection } of this.entries) {
      credentials.renew(connection).catch((error: CenoteError) => {
        counters.lastError = error.message
        if (!this.closing) this.events.onError(error)
      })
    }
  }

  /** The active check. @returns what may wait at the server, to be asked after there */
  check(): readonly Entry[] {
    const { entry, liveness } = this
    if (entry === undefined || this.options.healthCheckIntervalMs === 0) return []
    void liveness.ask(entry)
    return [entry]
  }

  tick(now: number): boolean {
    const busy = this.lane.tick(now)
    const { entry, liveness } = this
    if (entry !== undefined) liveness.checkpoint(entry, now)
    for (const suspect of this.suspects) liveness.inspect(suspect, now)
    if (this.whenDrained !== undefined && this.lane.outstanding === 0) this.whenDrained()
    return busy || this.whenDrained !== undefined
  }

  onDialing(): void {
    this.events.onConnecting()
  }

  onDialFailed(_lane: Lane, error: CenoteError): void {
    this.events.onError(error)
  }

  onUp(_lane: Lane, entry: Entry): void {
    // Commands that wait may be the inside of a MULTI.
    if (this.inTransaction) entry.dirty |= IN_MULTI
    this.events.onReady(entry.connection)
  }

  onDown(_lane: Lane, error: CenoteError): void {
    this.events.onLost(error, !this.closing, this.silentMs)
  }

  onConnectionClosed(connection: Connection, reason: CloseReason, error: CenoteError): void {
    const { clock } = this.means
    // What was read last may have lain in the socket for as long as the loop was late.
    this.silentMs = Math.max(0, clock.refresh() - connection.lastReadAt) + clock.peakLagMs + TICK_MS
    this.home.onConnectionClosed(connection, reason, error)
  }

  onPush(connection: Connection, items: unknown[]): void {
    this.events.onPush(connection, items)
  }

  onError(error: CenoteError): void {
    this.events.onError(error)
  }

  onNoPermit(): void {
    const { used, max } = this.means.permits
    this.events.onError(
      new ConnectionError(
        `No connection is left for a connection of its own: ${used} of ${max} are in use (${this.home.describeHolders()}). It waits for one; raise maxConnections, or close duplicates that are done`,
      ),
    )
  }

  /** Refuses new commands, answers what is under way, closes; what is unfinished after `timeoutMs` is rejected. */
  async close(timeoutMs: number): Promise<void> {
    if (this.closing) return
    this.closing = true
    if (this.lane.outstanding > 0) {
      await new Promise<void>((resolve) => {
        const alarm = this.means.clock.alarm(timeoutMs, resolve, true)
        this.whenDrained = () => {
          alarm.cancel()
          resolve()
        }
      })
    }
    this.destroy()
  }

  /** Writes what was accepted, and ends once it is answered, at the latest after `graceMs`. */
  finish(graceMs: number): void {
    if (this.closing) return
    this.closing = true
    this.lane.finish(new ClosedError())
    if (this.lane.outstanding === 0) {
      this.destroy()
      return
    }
    const alarm = this.means.clock.alarm(graceMs, () => this.destroy(), true)
    this.whenDrained = () => {
      alarm.cancel()
      this.destroy()
    }
  }

  destroy(): void {
    this.closing = true
    const { whenDrained } = this
    this.whenDrained = undefined
    whenDrained?.()
    this.lane.destroy(new ClosedError())
    this.means.dial.cut()
    this.home.onLineGone(this)
  }
}
