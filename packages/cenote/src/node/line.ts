import type { ResolvedOptions } from '../config/options.js'
import type { LoopClock, Ticker } from '../connection/clock.js'
import { BLOCKING, type Command } from '../connection/command.js'
import { type CloseReason, type Connection, describeEndpoint } from '../connection/connection.js'
import { sendInternal } from '../connection/handshake.js'
import { type CenoteError, ClosedError, ConfigError, ConnectionError } from '../errors.js'
import { blockTimeoutMs } from '../metadata/lookup.js'
import type { HealthReport, PoolStats } from '../observe/report.js'
import { Standalone } from '../topology/standalone.js'
import { Credentials } from './credentials.js'
import { Dialer, type DialRequest } from './dialer.js'
import { HEALTH_TIMEOUT_MS, judgeHealth, probeLatency } from './health.js'
import { Housekeeper } from './housekeeper.js'
import { Lane, type LaneEvents } from './lane.js'
import type { LeasedConnection } from './leased-connection.js'
import type { PoolParts } from './parts.js'
import { Watchdog } from './watchdog.js'

/** The pool a line belongs to: its budget, its statistics, its clock. */
export interface LineHome {
  readonly clock: LoopClock
  readonly parts: PoolParts
  readonly lines: Set<PrivateLine>
  /** Closes an idle lease connection, if there is one, so that its permit becomes free. */
  makeRoom(): void
  onConnectionClosed(connection: Connection, reason: CloseReason, error: CenoteError): void
  stats(status: string): PoolStats
}

export interface LineEvents {
  onConnecting(): void
  onReady(connection: Connection): void
  onLost(error: CenoteError, willReconnect: boolean, silentMs: number): void
  onError(error: CenoteError): void
  onPush(connection: Connection, items: unknown[]): void
}

/** How often a line without a permit looks for one, ms. */
const PERMIT_POLL_MS = 20

/**
 * One connection of its own, kept open and drawn from the budget of a pool: for duplicates, subscriptions, MONITOR.
 * Everything goes over it in order; what waits at the server makes the rest wait.
 */
export class PrivateLine implements Ticker, LaneEvents {
  readonly lane: Lane
  private readonly dialer: Dialer
  private readonly parts: PoolParts
  private readonly topology: Standalone
  private readonly housekeeper: Housekeeper
  private permit = false
  private waitingForPermit: NodeJS.Timeout | undefined
  private closing = false
  private whenDrained: (() => void) | undefined
  /** Active time until which the server holds a blocking command of ours; Infinity: nobody knows how long. */
  private heldUntil = 0
  private holding = 0

  constructor(
    readonly options: ResolvedOptions,
    readonly home: LineHome,
    private readonly events: LineEvents,
  ) {
    const { host, port, path, family } = options
    const { clock, parts } = home
    this.topology = new Standalone({ host, port, path }, family)
    const credentials = new Credentials(options)
    this.dialer = new PermittedDialer(options, this.topology, credentials, clock, parts.counters, {
      onDialing: () => this.events.onConnecting(),
      onDialFailed: (error) => this.events.onError(error),
    })
    ;(this.dialer as PermittedDialer).permitted = (go) => this.withPermit(go)
    this.parts = {
      ...parts,
      dialer: this.dialer,
      watchdog: new Watchdog(options.watchdogMs, clock, this.dialer, parts.budget),
      fallback: undefined,
      serving: () => true,
    }
    this.lane = new Lane(0, options, clock, this.parts, this)
    this.housekeeper = new Housekeeper(
      options.healthCheckIntervalMs > 0
        ? [{ everyMs: options.healthCheckIntervalMs, run: () => this.checkLife() }]
        : [],
    )
    this.housekeeper.start()
    clock.add(this)
    home.lines.add(this)
  }

  get connection(): Connection | undefined {
    return this.lane.connection
  }

  get dialing(): number {
    return this.dialer.dialing
  }

  connect(): void {
    this.lane.connect()
  }

  send(command: Command): void {
    if (this.closing) {
      this.parts.judge.fail(command, new ClosedError())
      return
    }
    if (this.holding > 0 && command.timeoutMs > 0) {
      // Its place is behind a command that waits at the server; that time is not held against it.
      command.timeoutMs = this.heldUntil === Number.POSITIVE_INFINITY ? 0 : command.timeoutMs + this.heldFor()
    }
    this.lane.send(command)
  }

  sendUnordered(command: Command): void {
    this.send(command)
  }

  private heldFor(): number {
    return Math.max(0, this.heldUntil - this.home.clock.now)
  }

  sendBlocking(command: Command): void {
    const block = blockTimeoutMs(command.spec, command.args) ?? 0
    const finite = block !== Number.POSITIVE_INFINITY
    command.flags |= BLOCKING
    command.timeoutMs = finite ? block + this.options.blockingGraceMs : 0
    this.send(command)
    this.heldUntil = finite
      ? Math.max(this.heldUntil, this.home.clock.refresh()) + command.timeoutMs
      : Number.POSITIVE_INFINITY
    this.holding++
    const { onSettled } = command
    command.onSettled = () => {
      if (--this.holding === 0) this.heldUntil = 0
      onSettled?.()
    }
  }

  tryAcquire(): undefined {}

  acquire(): Promise<LeasedConnection> {
    return Promise.reject(
      new ConfigError('A duplicate has one connection and lends none; acquire from the pool it was made from'),
    )
  }

  fail(command: Command, error: CenoteError): void {
    this.parts.judge.fail(command, error)
  }

  /** Its caller's signal fired. A command that waits at the server goes with the connection. */
  cancel(command: Command, reason: unknown): void {
    const waits = (command.flags & BLOCKING) !== 0 && command.attempts > 0
    this.parts.judge.abort(command, reason)
    if (waits) this.reconnect(new ConnectionError('Closed because its blocking command was aborted'))
  }

  settled(): Promise<void> {
    return Promise.resolve()
  }

  useDatabase(): void {}

  confirmDatabase(database: number | undefined): void {
    if (database !== undefined) this.lane.useDatabase(database)
  }

  reconnect(error: CenoteError): void {
    this.lane.connection?.close('reconnect', error)
  }

  async renewCredentials(): Promise<void> {
    if (this.lane.connection !== undefined) this.parts.authenticate(this.lane.connection)
  }

  /** A connection that only listens owes no replies, so nobody would notice that it went dead. */
  private checkLife(): void {
    const { connection } = this
    if (connection === undefined || connection.inFlight > 0) return
    sendInternal(connection, 'ping').catch(() => undefined)
  }

  private withPermit(go: () => void): void {
    if (this.takePermit()) {
      go()
      return
    }
    const { budget } = this.parts
    this.events.onError(
      new ConnectionError(
        `No connection is left for a connection of its own: ${budget.used} of ${budget.max} are in use. Raise maxConnections, or close duplicates that are done`,
      ),
    )
    const poll = () => {
      if (this.closing) return
      if (this.takePermit()) go()
      else this.waitingForPermit = setTimeout(poll, PERMIT_POLL_MS)
    }
    this.waitingForPermit = setTimeout(poll, PERMIT_POLL_MS)
  }

  private takePermit(): boolean {
    if (this.permit) return true
    const { budget } = this.parts
    this.permit = budget.take()
    if (this.permit) return true
    this.home.makeRoom()
    this.permit = budget.take()
    return this.permit
  }

  tick(now: number): boolean {
    const busy = this.lane.tick(now)
    if (this.whenDrained !== undefined && this.lane.outstanding === 0) this.whenDrained()
    return busy || this.whenDrained !== undefined
  }

  onLaneReady(): void {
    this.events.onReady(this.lane.connection!)
  }

  onLaneLost(_lane: Lane, error: CenoteError): void {
    this.events.onLost(error, !this.closing, this.silentMs)
  }

  private silentMs = 0

  onConnectionClosed(connection: Connection, reason: CloseReason, error: CenoteError): void {
    this.silentMs = Math.max(0, this.home.clock.refresh() - connection.lastReadAt)
    this.home.onConnectionClosed(connection, reason, error)
  }

  onPush(connection: Connection, items: unknown[]): void {
    this.events.onPush(connection, items)
  }

  stats(status: string): PoolStats {
    return this.home.stats(status)
  }

  async health(status: string): Promise<HealthReport> {
    const { connection } = this
    const latencyMs = connection === undefined ? undefined : await probeLatency(connection, HEALTH_TIMEOUT_MS)
    return judgeHealth({
      stats: this.stats(status),
      latencyMs,
      lastError: this.parts.counters.lastError,
      server: {
        version: connection?.serverVersion,
        role: connection?.serverRole,
        address: describeEndpoint(this.options),
      },
    })
  }

  async close(timeoutMs: number): Promise<void> {
    if (this.closing) return
    this.closing = true
    if (this.lane.outstanding > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeoutMs)
        this.whenDrained = () => {
          clearTimeout(timer)
          resolve()
        }
        this.home.clock.wake()
      })
    }
    this.destroy()
  }

  destroy(): void {
    this.closing = true
    this.whenDrained?.()
    this.whenDrained = undefined
    clearTimeout(this.waitingForPermit)
    this.housekeeper.stop()
    this.lane.destroy(new ClosedError())
    this.dialer.close()
    this.home.clock.remove(this)
    this.home.lines.delete(this)
    if (this.permit) this.parts.budget.give()
    this.permit = false
  }
}

/** Dials once there is a permit for it. */
class PermittedDialer extends Dialer {
  permitted: (go: () => void) => void = (go) => go()

  override request(request: DialRequest): void {
    this.permitted(() => super.request(request))
  }
}
