import type { ResolvedOptions } from '../config/options.js'
import { LoopClock, type Ticker } from '../connection/clock.js'
import type { Command } from '../connection/command.js'
import { type Connection, describeEndpoint } from '../connection/connection.js'
import { type CenoteError, ClosedError } from '../errors.js'
import type { RunOptions } from '../node/exclusive.js'
import type { FallbackReason } from '../node/fallback.js'
import type { LeasedConnection } from '../node/leased-connection.js'
import type { AcquireOptions } from '../node/leases.js'
import type { Line, LineEvents } from '../node/line.js'
import { Node, type NodeEvents, type Shared } from '../node/node.js'
import { Permits } from '../node/permits.js'
import { Judge } from '../node/verdict.js'
import { Counters } from '../observe/counters.js'
import type { HealthReport, PoolStats } from '../observe/report.js'
import { RetryBudget } from '../resilience/retry-budget.js'
import { monotonic } from '../timers.js'
import { Cluster } from '../topology/cluster/cluster.js'
import type { ClusterEvents } from '../topology/cluster/membership.js'
import type { Server } from '../topology/cluster/servers.js'
import { Standalone } from '../topology/standalone.js'
import type { Topology } from '../topology/topology.js'
import { HEALTH_TIMEOUT_MS, judgeHealth } from './health.js'
import { Housekeeper } from './housekeeper.js'
import { takeSnapshot } from './snapshot.js'

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
  onWarning(message: string): void
  /** What else is amiss above the pool, for `health()`. */
  complaints(): readonly string[]
  /** On a cluster: a server came or went, has a problem of its own, or all were asked who has which slot. */
  onServer?(server: Server, isMember: boolean): void
  onServerError?(server: Server, error: CenoteError): void
  onSurveyed?(): void
}

/** How often idle and old connections are looked at, ms, unless their limits ask for more. */
const SWEEP_MS = 1_000

/** Policy over the servers: the budget they share, closing, health, figures. Knows commands only as nodes of a queue. */
export class Pool implements Ticker, NodeEvents {
  readonly clock = new LoopClock()
  readonly permits: Permits
  /** Of commands that settle before, or without, a server. */
  readonly counters = new Counters()
  readonly topology: Topology
  private readonly judge: Judge
  readonly createdAt = monotonic()
  private readonly housekeeper: Housekeeper
  private readonly reportedLeaks = new WeakSet<LeasedConnection>()
  private closing = false
  private destroyed = false
  private closingDone: Promise<void> | undefined
  private whenDrained: (() => void) | undefined

  constructor(
    readonly options: ResolvedOptions,
    private readonly events: PoolEvents,
  ) {
    this.permits = new Permits(options.maxConnections, options.lanes)
    const retryBudget = new RetryBudget(options.retry.budget)
    const shared: Shared = { clock: this.clock, permits: this.permits, retryBudget }
    this.judge = new Judge(options, this.counters, this.clock, describeServer(options), retryBudget)
    this.topology =
      options.cluster === undefined
        ? new Standalone(new Node(options, shared, this))
        : new Cluster(options, shared, this.judge, this.clusterEvents)
    const sweepEvery = Math.min(SWEEP_MS, options.idleTimeoutMs || SWEEP_MS, options.maxLifetimeMs || SWEEP_MS)
    const { healthCheckIntervalMs, credentialsRefreshMs } = options
    this.housekeeper = new Housekeeper(
      [
        { everyMs: sweepEvery, run: () => this.sweep() },
        { everyMs: healthCheckIntervalMs, run: () => this.check() },
        { everyMs: credentialsRefreshMs, run: () => this.renewCredentials() },
      ].filter(({ everyMs }) => everyMs > 0),
      (error) => this.events.onError(error as CenoteError),
    )
    this.work()
  }

  /** Set when there are several servers, with the keys divided among them. */
  get cluster(): Cluster | undefined {
    return this.topology instanceof Cluster ? this.topology : undefined
  }

  /** Opens the lanes; leases follow demand. */
  connect(): void {
    this.topology.connect()
  }

  get isReady(): boolean {
    return this.topology.isReady
  }

  send(command: Command): void {
    if (this.closing) this.judge.fail(command, new ClosedError())
    else this.topology.send(command)
  }

  /** Commands that belong together, admitted or refused as one. */
  sendAll(commands: readonly Command[], unordered = false): void {
    if (this.closing) this.judge.failAll(commands, new ClosedError())
    else this.topology.sendAll(commands, unordered)
  }

  /** For commands that need a connection to themselves; they give up their place in the order. */
  run(commands: readonly Command[], options: RunOptions): void {
    if (this.closing) this.judge.failAll(commands, new ClosedError())
    else this.topology.run(commands, options)
  }

  /** Called before a SELECT is sent. @param refused called when the server says no */
  prepareSelect(command: Command, database: number, refused: () => void): void {
    this.topology.main?.prepareSelect(command, database, refused)
  }

  /**
   * Its caller's signal fired: settles the command, and what it belongs to, with an AbortedError that says what is
   * certain. The reply slot of a written command stays reserved; a blocking one is called back from the server first,
   * and may still succeed.
   */
  cancel(command: Command, reason: unknown): void {
    if (!this.topology.nodes.some((node) => node.cancel(command, reason))) this.judge.abort(command, reason)
  }

  fail(command: Command, error: CenoteError): void {
    this.judge.fail(command, error)
  }

  failAll(commands: readonly Command[], error: CenoteError): void {
    this.judge.failAll(commands, error)
  }

  /** A lease without waiting, if one can be had like that. */
  tryAcquire(options: AcquireOptions | undefined): LeasedConnection | undefined {
    return options?.signal === undefined && !this.closing ? this.topology.tryAcquire(options) : undefined
  }

  acquire(options?: AcquireOptions): Promise<LeasedConnection> {
    return this.closing ? Promise.reject(new ClosedError()) : this.topology.acquire(options)
  }

  /** A connection of its own. It may outlive the pool, as duplicates do. */
  openLine(options: ResolvedOptions, events: LineEvents, label: string): Line {
    if (this.destroyed) this.work()
    return this.topology.openLine(options, events, label)
  }

  onLineGone(): void {
    this.rest()
  }

  private work(): void {
    this.clock.add(this)
    this.housekeeper.start()
  }

  /** With everything closed nothing is left to look after. */
  private rest(): void {
    if (!this.destroyed || this.topology.nodes.some(({ lines }) => lines.size > 0)) return
    this.housekeeper.stop()
    this.clock.remove(this)
  }

  /** Resolves when everything accepted so far on shared connections was answered. */
  async answered(): Promise<void> {
    await Promise.all(this.topology.nodes.map((node) => node.answered()))
  }

  /** Opens the shared connections anew; the old ones have `graceMs` to answer what they owe. */
  reconnect(error: CenoteError, graceMs: number): void {
    for (const node of this.topology.nodes) node.reconnect(error, graceMs)
  }

  renewCredentials(): void {
    for (const node of this.topology.nodes) node.renewCredentials()
  }

  tick(now: number): boolean {
    const busy = this.topology.tick(now)
    if (this.whenDrained !== undefined && this.topology.outstanding === 0) this.drained()
    return busy || this.whenDrained !== undefined
  }

  private drained(): void {
    const { whenDrained } = this
    this.whenDrained = undefined
    whenDrained?.()
  }

  private sweep(): void {
    if (this.closing) return
    for (const node of this.topology.nodes) node.sweep()
    if (this.options.leakDetectionMs > 0) this.reportLeaks(this.options.leakDetectionMs)
  }

  private reportLeaks(thresholdMs: number): void {
    const now = monotonic()
    for (const lease of this.topology.nodes.flatMap((node) => [...node.leases.out])) {
      const held = now - lease.borrowedAt
      if (held < thresholdMs || this.reportedLeaks.has(lease) || lease.entry.connection.waitsOnPurpose) continue
      this.reportedLeaks.add(lease)
      this.events.onLeak(lease.label, Math.round(held), lease.stack)
    }
  }

  private async check(): Promise<void> {
    await Promise.all(this.topology.nodes.map((node) => node.check()))
  }

  private get clusterEvents(): ClusterEvents {
    const { events } = this
    return {
      onConnecting: () => this.onConnecting(),
      onUp: () => this.onUp(),
      onDown: (error) => events.onLost(error, !this.closing),
      onError: (error) => this.onError(error),
      onPush: (connection, items) => this.onPush(connection, items),
      onFallback: (reason) => this.onFallback(reason),
      onWarning: (message) => this.onWarning(message),
      onLineGone: () => this.onLineGone(),
      onServer: (server, isMember) => events.onServer?.(server, isMember),
      onServerError: (server, error) => events.onServerError?.(server, error),
      onSurveyed: () => events.onSurveyed?.(),
      onGone: (counters) => this.counters.absorb(counters),
    }
  }

  onConnecting(): void {
    this.events.onConnecting()
  }

  onUp(): void {
    this.events.onReady()
  }

  onDown(_node: Node, error: CenoteError): void {
    this.events.onLost(error, !this.closing)
  }

  onError(error: CenoteError): void {
    if (!this.closing) this.events.onError(error)
  }

  onPush(connection: Connection, items: unknown[]): void {
    this.events.onPush(connection, items)
  }

  onFallback(reason: FallbackReason | undefined): void {
    this.events.onFallback(reason)
  }

  onWarning(message: string): void {
    this.events.onWarning(message)
  }

  stats(status: string): PoolStats {
    return takeSnapshot(this, status)
  }

  async health(status: string): Promise<HealthReport> {
    const { topology } = this
    const latencyMs = await topology.latency(HEALTH_TIMEOUT_MS)
    const { main } = topology
    return judgeHealth({
      stats: this.stats(status),
      latencyMs,
      lastError: main?.counters.lastError ?? this.counters.lastError,
      server: { version: main?.server.version, role: main?.server.role, address: topology.describe() },
      complaints: [...topology.complaints, ...this.events.complaints()],
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
      const alarm = this.clock.alarm(timeoutMs, resolve, true)
      void this.drain().then(() => {
        alarm.cancel()
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
    await Promise.all([lanes, ...this.topology.nodes.map((node) => node.drainLeases())])
  }

  /** Refuses new work, writes what was accepted, and ends once it is answered, at the latest after `graceMs`. */
  finish(graceMs: number): void {
    if (this.closing) return
    this.closing = true
    this.topology.finish()
    if (this.topology.outstanding === 0) {
      this.destroy()
      return
    }
    const alarm = this.clock.alarm(graceMs, () => this.destroy(), true)
    this.whenDrained = () => {
      alarm.cancel()
      this.destroy()
    }
  }

  /** Closes everything now; what was not answered is rejected with its outcome. */
  destroy(): void {
    if (this.destroyed) return
    this.closing = true
    this.destroyed = true
    const error = new ClosedError()
    this.topology.destroy(error)
    this.drained()
    this.rest()
  }
}

function describeServer({ host, port, path, cluster }: ResolvedOptions): string {
  return cluster === undefined ? describeEndpoint({ host, port, path }) : 'the cluster'
}
