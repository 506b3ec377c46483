import type { ResolvedOptions } from '../config/options.js'
import { LoopClock, type Ticker } from '../connection/clock.js'
import { BLOCKING, Command, IDEMPOTENT, promiseOf } from '../connection/command.js'
import { type CloseReason, type Connection, describeEndpoint } from '../connection/connection.js'
import { type CenoteError, ClosedError } from '../errors.js'
import { lookupCommand, routingKey } from '../metadata/lookup.js'
import { Counters } from '../observe/counters.js'
import type { HealthReport, PoolStats } from '../observe/report.js'
import { Standalone } from '../topology/standalone.js'
import { BlockingCalls } from './blocking.js'
import { ConnectionBudget } from './budget.js'
import { Credentials } from './credentials.js'
import { Dialer } from './dialer.js'
import { Fallback, type FallbackReason } from './fallback.js'
import { checkConnections, checkWaiting, HEALTH_TIMEOUT_MS, judgeHealth, probeLatency } from './health.js'
import { Housekeeper } from './housekeeper.js'
import { Lane, type LaneEvents } from './lane.js'
import type { LeasedConnection } from './leased-connection.js'
import { type AcquireOptions, Leases } from './leases.js'
import type { PoolParts } from './parts.js'
import type { LineHome, PrivateLine } from './private-line.js'
import { takeSnapshot } from './snapshot.js'
import { Judge } from './verdict.js'
import { Watchdog } from './watchdog.js'

/** What the pool tells the client surface above it. */
export interface PoolEvents {
  onConnecting(): void
  onReady(): void
  onLost(error: CenoteError, willReconnect: boolean): void
  onError(error: CenoteError): void
  onPush(connection: Connection, items: unknown[]): void
  onLeak(label: string, heldMs: number, stack: string | undefined): void
  /** Commands go to the fallback client from now on, or no longer. */
  onFallback(reason: FallbackReason | undefined): void
}

/** How often idle and old connections are looked at, ms, unless their limits ask for more. */
const SWEEP_MS = 1_000

/** Policy: which connection takes a command, how many there are, when they go. Knows commands only as nodes. */
export class PoolCore implements Ticker, LaneEvents, LineHome {
  readonly clock = new LoopClock()
  readonly counters = new Counters()
  readonly leases: Leases
  readonly lanes: Lane[]
  readonly parts: PoolParts
  /** Connections of duplicates, subscriptions and monitors. */
  readonly lines = new Set<PrivateLine>()
  readonly createdAt = performance.now()
  closedBytesRead = 0
  closedBytesWritten = 0
  private readonly judge: Judge
  private readonly topology: Standalone
  private readonly credentials: Credentials
  readonly fallback: Fallback | undefined
  private readonly blocking: BlockingCalls
  private readonly authenticating = new Set<Connection>()
  private everReady = false
  private closingDone: Promise<void> | undefined
  private readonly housekeeper: Housekeeper
  private readonly first: Lane
  private closing = false
  private whenDrained: (() => void) | undefined
  private server: { version: string | undefined; role: string | undefined } = { version: undefined, role: undefined }

  constructor(
    readonly options: ResolvedOptions,
    private readonly events: PoolEvents,
  ) {
    const { host, port, path, family } = options
    this.topology = new Standalone({ host, port, path }, family)
    const { counters } = this
    const budget = new ConnectionBudget(options.maxConnections, options.lanes)
    this.judge = new Judge(options, this.counters, this.clock, this.topology.describe())
    this.credentials = new Credentials(options)
    const dialer = new Dialer(options, this.topology, this.credentials, this.clock, this.counters, {
      onDialing: () => this.events.onConnecting(),
      onDialFailed: (error) => this.events.onError(error),
    })
    const { judge } = this
    const { fallback } = options
    this.fallback =
      fallback === undefined ? undefined : new Fallback(fallback, counters, (reason) => this.events.onFallback(reason))
    this.parts = {
      counters,
      judge,
      dialer,
      budget,
      watchdog: new Watchdog(options.watchdogMs, this.clock, dialer, budget),
      fallback: this.fallback,
      authenticate: (connection) => this.authenticate(connection),
      serving: () => this.everReady && dialer.breaker.state === 'closed',
    }
    this.lanes = Array.from({ length: options.lanes }, (_, index) => {
      budget.take()
      return new Lane(index, options, this.clock, this.parts, this)
    })
    this.first = this.lanes[0]!
    this.leases = new Leases(options, this.clock, this.parts, this)
    this.blocking = new BlockingCalls(options, this.leases, this.parts, () => this.lanes.find(isUp)?.connection)
    this.clock.add(this)
    const sweepEvery = Math.min(SWEEP_MS, options.idleTimeoutMs || SWEEP_MS, options.maxLifetimeMs || SWEEP_MS)
    this.housekeeper = new Housekeeper([
      { everyMs: sweepEvery, run: () => this.sweep() },
      ...(options.healthCheckIntervalMs > 0
        ? [{ everyMs: options.healthCheckIntervalMs, run: () => this.checkHealth() }]
        : []),
      ...(options.credentialsRefreshMs > 0
        ? [{ everyMs: options.credentialsRefreshMs, run: () => this.renewCredentials() }]
        : []),
    ])
    this.housekeeper.start()
  }

  /** Opens the lanes; leases follow demand. */
  connect(): void {
    this.events.onConnecting()
    for (const lane of this.lanes) lane.connect()
    this.leases.sweep()
  }

  get isReady(): boolean {
    return this.first.connection !== undefined
  }

  /** Puts a command on its lane: the only one, or the one its first key belongs to. */
  send(command: Command): void {
    if (this.closing) this.judge.fail(command, new ClosedError())
    else if (this.lanes.length === 1) this.first.send(command)
    else this.laneFor(command).send(command)
  }

  /** For commands whose order does not matter: the lane with the least to do. */
  sendUnordered(command: Command): void {
    if (this.closing) this.judge.fail(command, new ClosedError())
    else this.lanes.reduce((least, lane) => (lane.outstanding < least.outstanding ? lane : least)).send(command)
  }

  private laneFor(command: Command): Lane {
    const key = routingKey(command.spec, command.args)
    return key === undefined ? this.first : this.laneOfKey(key)
  }

  laneOfKey(key: string | Buffer): Lane {
    let hash = 0
    if (typeof key === 'string') for (let i = 0; i < key.length; i++) hash = (hash * 31 + key.charCodeAt(i)) | 0
    else for (const byte of key) hash = (hash * 31 + byte) | 0
    return this.lanes[(hash >>> 0) % this.lanes.length]!
  }

  /** A blocking command gives up its place in the order and runs on a lease of its own. */
  sendBlocking(command: Command, acquire: AcquireOptions): void {
    if (this.closing) this.judge.fail(command, new ClosedError())
    else this.blocking.send(command, acquire)
  }

  /**
   * Its caller's signal fired: settles the command with an AbortedError that says what is certain. The reply slot of a
   * written command stays reserved; a blocking one is called back from the server first, and may still succeed.
   * @param lease where it runs, for a command sent through a lease
   */
  cancel(command: Command, reason: unknown, lease?: LeasedConnection): void {
    if (this.blocking.cancel(command, reason)) return
    if (lease !== undefined && (command.flags & BLOCKING) !== 0) this.blocking.unblock(command, lease, reason)
    else this.judge.abort(command, reason)
  }

  /** Asks for the password anew and authenticates every live connection with it. Never rejects. */
  async renewCredentials(): Promise<void> {
    for (const lane of this.lanes) if (lane.connection !== undefined) this.authenticate(lane.connection)
    this.leases.renewCredentials((connection) => this.authenticate(connection))
  }

  private authenticate(connection: Connection): void {
    if (this.authenticating.has(connection)) return
    this.authenticating.add(connection)
    this.credentials
      .renew(connection)
      .catch((error: CenoteError) => {
        this.counters.lastError = error.message
        if (!this.closing) this.events.onError(error)
      })
      .finally(() => this.authenticating.delete(connection))
  }

  /** A lease without waiting, if one can be had like that. */
  tryAcquire(options: AcquireOptions | undefined): LeasedConnection | undefined {
    return options?.signal === undefined ? this.leases.tryAcquire(options?.label ?? 'lease') : undefined
  }

  acquire(options?: AcquireOptions): Promise<LeasedConnection> {
    return this.leases.acquire(options)
  }

  fail(command: Command, error: CenoteError): void {
    this.judge.fail(command, error)
  }

  get home(): LineHome {
    return this
  }

  makeRoom(): void {
    this.leases.makeRoom()
  }

  /** Resolves when everything accepted so far on the lanes was answered. */
  async settled(): Promise<void> {
    await Promise.all(
      this.lanes.map((lane) => {
        if (lane.outstanding === 0) return undefined
        // Through the lane, not its connection: what is parked counts too.
        const ping = new Command(lookupCommand('ping'), [], IDEMPOTENT)
        ping.timeoutMs = this.options.commandTimeoutMs
        const answered = promiseOf(ping).catch(() => undefined)
        lane.send(ping)
        return answered
      }),
    )
  }

  /** SELECT is under way on the first lane: the others get it too, connections lent from now on follow. */
  useDatabase(database: number): void {
    this.leases.database = database
    for (const lane of this.lanes) {
      if (lane === this.first) continue
      const select = new Command(lookupCommand('select'), [String(database)], IDEMPOTENT)
      // Refused on the first lane as well, whose caller hears of it.
      promiseOf(select).then(
        () => lane.useDatabase(database),
        () => undefined,
      )
      lane.send(select)
    }
  }

  confirmDatabase(database: number | undefined): void {
    if (database !== undefined) this.first.useDatabase(database)
    else this.leases.database = this.first.database
  }

  reconnect(error: CenoteError): void {
    for (const lane of this.lanes) lane.connection?.close('reconnect', error)
  }

  tick(now: number): boolean {
    let busy = this.leases.tick(now)
    for (const lane of this.lanes) busy = lane.tick(now) || busy
    if (this.whenDrained !== undefined && !this.lanes.some((lane) => lane.outstanding > 0)) {
      this.whenDrained()
      this.whenDrained = undefined
    }
    return busy || this.whenDrained !== undefined
  }

  private sweep(): void {
    if (this.closing) return
    this.leases.sweep()
    const { maxLifetimeMs, leakDetectionMs } = this.options
    if (maxLifetimeMs > 0) {
      const now = performance.now()
      for (const lane of this.lanes) {
        const connection = lane.connection
        if (connection !== undefined && now - connection.createdAt > maxLifetimeMs) lane.renew()
      }
    }
    if (leakDetectionMs > 0) this.reportLeaks(leakDetectionMs)
  }

  private readonly reported = new WeakSet<LeasedConnection>()

  private reportLeaks(thresholdMs: number): void {
    const now = performance.now()
    for (const lease of this.leases.leased) {
      const held = now - lease.borrowedAt
      if (held < thresholdMs || this.reported.has(lease) || lease.connection.waitsOnPurpose) continue
      this.reported.add(lease)
      this.events.onLeak(lease.label, Math.round(held), lease.stack)
    }
  }

  private async checkHealth(): Promise<void> {
    const lanes = this.lanes.flatMap((lane) => lane.connection ?? [])
    await checkConnections([...lanes, ...this.leases.idleConnections()])
    await checkWaiting(lanes[0], this.leases.leased)
    await this.followName()
  }

  /** The name may lead elsewhere by now while the old server still answers: its connections are replaced in order. */
  private async followName(): Promise<void> {
    const endpoints = await this.topology.endpoints().catch(() => undefined)
    if (endpoints === undefined || this.closing) return
    const known = new Set(endpoints.map(({ address }) => address))
    const strays = (connection: Connection | undefined) =>
      connection?.endpoint.address !== undefined && !known.has(connection.endpoint.address)
    // Names with more addresses than fit an answer show another part of them each time: one miss is no move.
    const moved = this.missed && this.lanes.some(({ connection }) => strays(connection))
    this.missed = this.lanes.some(({ connection }) => strays(connection))
    if (!moved) return
    for (const lane of this.lanes) if (strays(lane.connection)) lane.renew()
    this.leases.retire(strays)
  }

  private missed = false

  onLaneReady(lane: Lane): void {
    this.everReady = true
    this.fallback?.end()
    this.server = { version: lane.connection?.serverVersion, role: lane.connection?.serverRole }
    if (lane === this.first) this.events.onReady()
  }

  onLaneLost(lane: Lane, error: CenoteError): void {
    if (lane === this.first) this.events.onLost(error, !this.closing)
  }

  onConnectionClosed(connection: Connection, reason: CloseReason, error: CenoteError): void {
    this.counters.onClosed(reason)
    this.closedBytesRead += connection.bytesRead
    this.closedBytesWritten += connection.bytesWritten
    if (reason !== 'idle' && reason !== 'max-lifetime' && reason !== 'pool-closed') {
      this.counters.lastError = error.message
    }
  }

  onPush(connection: Connection, items: unknown[]): void {
    this.events.onPush(connection, items)
  }

  stats(status: string): PoolStats {
    return takeSnapshot(this, status)
  }

  async health(status: string): Promise<HealthReport> {
    const { connection } = this.first
    const latencyMs = connection === undefined ? undefined : await probeLatency(connection, HEALTH_TIMEOUT_MS)
    return judgeHealth({
      stats: this.stats(status),
      latencyMs,
      lastError: this.counters.lastError,
      server: { ...this.server, address: describeEndpoint(this.options) },
    })
  }

  /**
   * Refuses new work, lets what is in flight finish, and after `timeoutMs` rejects the rest. Nothing stays pending.
   */
  close(timeoutMs: number): Promise<void> {
    this.closingDone ??= this.drainAndDestroy(timeoutMs)
    return this.closingDone
  }

  private async drainAndDestroy(timeoutMs: number): Promise<void> {
    this.closing = true
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs)
      void this.drain().then(() => {
        clearTimeout(timer)
        resolve()
      })
    })
    this.destroy()
  }

  private async drain(): Promise<void> {
    const lanes = new Promise<void>((resolve) => {
      this.whenDrained = resolve
      this.clock.wake()
    })
    await Promise.all([lanes, this.leases.drain()])
  }

  /** Closes everything now; what was not answered is rejected with its outcome. */
  destroy(): void {
    this.closing = true
    const error = new ClosedError()
    this.housekeeper.stop()
    for (const lane of this.lanes) lane.destroy(error)
    this.leases.destroy(error)
    this.parts.dialer.close()
    this.whenDrained?.()
    this.whenDrained = undefined
    this.clock.remove(this)
  }
}

function isUp(lane: Lane): boolean {
  return lane.connection !== undefined
}
