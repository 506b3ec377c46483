import type { ResolvedOptions } from '../config/options.js'
import type { LoopClock } from '../connection/clock.js'
import type { Command } from '../connection/command.js'
import type { CloseReason, Connection } from '../connection/connection.js'
import { type CenoteError, ClosedError, type ReplyError } from '../errors.js'
import { routingKey } from '../metadata/lookup.js'
import { Counters } from '../observe/counters.js'
import type { BreakerState } from '../resilience/breaker.js'
import type { RetryBudget } from '../resilience/retry-budget.js'
import { monotonic } from '../timers.js'
import { Address } from './address.js'
import { Credentials } from './credentials.js'
import { Dial } from './dial.js'
import { Dialer } from './dialer.js'
import type { Entry } from './entry.js'
import { Exclusive, type RunOptions } from './exclusive.js'
import { Fallback, type FallbackReason } from './fallback.js'
import { Lane, type LaneEvents } from './lane.js'
import { LaneChoice } from './lane-choice.js'
import type { LeasedConnection } from './leased-connection.js'
import { type AcquireOptions, Leases } from './leases.js'
import { Line, type LineEvents, type LineHome } from './line.js'
import { Liveness } from './liveness.js'
import type { Means } from './means.js'
import type { Permits } from './permits.js'
import { Upkeep } from './upkeep.js'
import { Judge } from './verdict.js'

/** What the nodes of a pool share. */
export interface Shared {
  readonly clock: LoopClock
  readonly permits: Permits
  readonly retryBudget: RetryBudget
}

/** What a node tells its pool. */
export interface NodeEvents {
  onConnecting(): void
  /** Its first lane takes commands, or no longer. */
  onUp(node: Node): void
  onDown(node: Node, error: CenoteError): void
  onError(error: CenoteError, node: Node): void
  onPush(connection: Connection, items: unknown[]): void
  /** Commands go to the fallback client from now on, or no longer. */
  onFallback(reason: FallbackReason | undefined): void
  onWarning(message: string): void
  onLineGone(): void
  /** One of its shared connections owes replies and is silent. */
  onSilent?(node: Node): void
  /** See {@link Detour}. */
  detour?(node: Node, command: Command, error: ReplyError): 'taken' | number | undefined
}

/** One server and all that belongs to it: how it is dialled, its lanes, leases and lines, whether they live, figures. */
export class Node implements LaneEvents, LineHome {
  readonly counters = new Counters()
  readonly address: Address
  readonly dialer: Dialer
  readonly liveness: Liveness
  readonly lanes: readonly Lane[]
  readonly leases: Leases
  readonly lines = new Set<Line>()
  readonly fallback: Fallback | undefined
  /** Facts of the server that the newest lane connection was greeted by. */
  server: { version: string | undefined; role: string | undefined } = { version: undefined, role: undefined }
  /** Bytes of connections that are gone. */
  closedBytesRead = 0
  closedBytesWritten = 0
  private readonly means: Means
  private readonly judge: Judge
  private readonly choice: LaneChoice
  private readonly first: Lane
  private readonly exclusive: Exclusive
  private everUp = false
  private closed = false
  private readonly upkeep = new Upkeep(this)

  constructor(
    readonly options: ResolvedOptions,
    shared: Shared,
    private readonly events: NodeEvents,
  ) {
    const { clock, permits, retryBudget } = shared
    const { host, port, path, family } = options
    const { counters } = this
    this.address = new Address({ host, port, path }, family)
    this.judge = new Judge(options, counters, clock, String(this.address), retryBudget)
    const credentials = new Credentials(options)
    const dial = this.newDial(options, this.address, credentials, clock)
    this.dialer = this.newDialer(options, this.address, clock)
    this.liveness = new Liveness(options.watchdogMs, clock, this.dialer, dial, permits, () => events.onSilent?.(this))
    const detour = events.detour && ((command: Command, error: ReplyError) => events.detour!(this, command, error))
    this.means = {
      options,
      clock,
      permits,
      dialer: this.dialer,
      dial,
      credentials,
      judge: this.judge,
      counters,
      detour,
    }
    const { fallback } = options
    if (fallback !== undefined) {
      this.fallback = new Fallback(
        fallback,
        counters,
        this.judge,
        clock,
        () => this.fallbackReason(),
        (reason) => this.events.onFallback(reason),
      )
    }
    this.lanes = Array.from({ length: options.lanes }, () => new Lane(this.means, options, this, this.fallback))
    this.first = this.lanes[0]!
    this.choice = new LaneChoice(this.lanes)
    this.leases = new Leases(this.means, this.liveness, this)
    this.exclusive = new Exclusive(this.means, this.leases, this.fallback, () => this.messenger)
  }

  private newDial(options: ResolvedOptions, address: Address, credentials: Credentials, clock: LoopClock): Dial {
    return new Dial(options, address, credentials, clock, this.counters, (said) =>
      this.events.onWarning(`${address} does not want the credentials it is given: ${said}`),
    )
  }

  private newDialer(options: ResolvedOptions, address: Address, clock: LoopClock): Dialer {
    return new Dialer(
      options,
      address,
      clock,
      this.counters,
      (entry) => this.liveness.isTrusted(entry),
      () => this.heardAt,
    )
  }

  /** Active time at which any connection to the server was last heard of. */
  private get heardAt(): number {
    return this.entries.reduce((latest, { connection }) => Math.max(latest, connection.lastReadAt), 0)
  }

  /** Every open connection. */
  get entries(): readonly Entry[] {
    return [
      ...this.lanes.flatMap((lane) => lane.entries),
      ...[...this.lines].flatMap((line) => line.entries),
      ...[...this.leases.out].map((lease) => lease.entry),
      ...this.leases.idleEntries,
    ]
  }

  private get messenger(): Connection | undefined {
    return this.lanes.find((lane) => lane.isUp)?.connection
  }

  /** The connection of its first lane that takes commands right now. */
  get connection(): Connection | undefined {
    return this.first.connection
  }

  private fallbackReason(): FallbackReason | undefined {
    if (this.dialer.isFailing(this.means.dial)) return 'breaker-open'
    return this.everUp ? undefined : 'not-started'
  }

  get isUp(): boolean {
    return this.first.isUp
  }

  /** Dials under way. */
  get dialing(): number {
    return [...this.lines].reduce(
      (count, { dialer }) => (dialer === this.dialer ? count : count + dialer.dialing),
      this.dialer.dialing,
    )
  }

  /** Open also while this user, or these settings, are refused. */
  get breakerState(): BreakerState {
    const { state } = this.dialer.breaker
    return state === 'closed' && this.dialer.isFailing(this.means.dial) ? 'open' : state
  }

  /** Round trip of a PING on the first lane, ms; undefined when there is none, or no answer in time. */
  latency(timeoutMs: number): Promise<number | undefined> {
    const { entry } = this.first
    return entry === undefined ? Promise.resolve(undefined) : this.liveness.latency(entry, timeoutMs)
  }

  /** Commands accepted on lanes and not settled. */
  get outstanding(): number {
    return this.lanes.reduce((count, lane) => count + lane.outstanding, 0)
  }

  connect(): void {
    for (const lane of this.lanes) lane.connect()
    this.leases.sweep()
  }

  /** What would be said of commands that belong together; undefined when they would be taken. */
  refusalOf(commands: readonly Command[]): CenoteError | undefined {
    if (this.lanes.length === 1) return this.first.refusalOf(commands)
    for (const [lane, part] of this.choice.split(commands)) {
      const refusal = lane.refusalOf(part)
      if (refusal !== undefined) return refusal
    }
    return undefined
  }

  /** Commands accepted before, which go on here. */
  resume(commands: readonly Command[]): void {
    const keyed = commands.find(({ spec, args }) => routingKey(spec, args) !== undefined)
    const lane = this.lanes.length === 1 ? this.first : this.choice.of(keyed ?? commands[0]!)
    lane.resume(commands)
  }

  /** Gives up what its lanes have not written, see {@link Lane.withdraw}. */
  withdraw(): { returned: Command[]; waiting: Command[] } {
    const parts = this.lanes.map((lane) => lane.withdraw())
    return { returned: parts.flatMap(({ returned }) => returned), waiting: parts.flatMap(({ waiting }) => waiting) }
  }

  /** Resolves once everything on its shared connections was answered or lost; undefined when nothing is. */
  settled(): Promise<void> | undefined {
    const parts = this.lanes.flatMap((lane) => lane.settled() ?? [])
    return parts.length === 0 ? undefined : Promise.all(parts).then(() => undefined)
  }

  /** Another server has taken its place: what is under way is answered, and nothing new is opened. */
  retire(): void {
    const error = new ClosedError('The server left the cluster')
    for (const lane of this.lanes) lane.rest(error)
    void this.leases.drain()
  }

  /** How long its shared connections have owed replies in silence, ms. */
  silence(now: number): number {
    const owing = this.lanes.flatMap((lane) => lane.entries).filter(({ connection }) => connection.inFlight > 0)
    return Math.max(
      0,
      ...owing.map(({ connection: { lastReadAt, owedSince } }) => now - Math.max(lastReadAt, owedSince)),
    )
  }

  /** Commands that wait for one of its shared connections. */
  get parked(): number {
    return this.lanes.reduce((count, lane) => count + lane.parked, 0)
  }

  /** What was refused becomes fit to be sent again, here or elsewhere, and does not count as an attempt. */
  restart(command: Command): readonly Command[] {
    const whole = this.judge.restart(command, true)
    this.judge.forgive(whole)
    return whole
  }

  /** Its deadline has passed before it got to any server. */
  expire(command: Command): void {
    this.judge.expire(command, undefined, this.dialer.lastFailure?.message)
  }

  /** Another server has taken its place: drops the shared connections; what they had not written can be withdrawn. */
  cut(error: CenoteError): void {
    for (const lane of this.lanes) lane.cut(error)
  }

  /** Puts a command on its lane: the only one, or the one its first key belongs to. */
  send(command: Command): void {
    if (this.lanes.length === 1) this.first.send(command)
    else this.choice.of(command).send(command)
  }

  /** Commands that belong together: each lane gets its part as a whole, and if one refuses its part nothing is sent. */
  sendAll(commands: readonly Command[]): void {
    if (this.lanes.length === 1) this.first.sendAll(commands)
    else {
      const parts = this.choice.split(commands)
      for (const [lane, part] of parts) {
        const refusal = lane.refusalOf(part)
        if (refusal !== undefined) {
          this.judge.failAll(commands, refusal)
          return
        }
      }
      for (const [lane, part] of parts) lane.sendAll(part)
    }
  }

  /**
   * Called before a SELECT is sent: it applies to the lanes in its place, and to connections that are lent from now on.
   * @param refused called when the server says no
   */
  prepareSelect(command: Command, database: number, refused: () => void): void {
    this.leases.database = database
    this.first.prepareSelect(command, database, () => {
      this.leases.database = this.first.chosenDatabase
      refused()
    })
  }

  /** For commands whose order does not matter: the lane with the least to do. */
  sendUnordered(commands: readonly Command[]): void {
    this.choice.idlest().sendAll(commands)
  }

  /** Commands that need a connection of their own for as long as they run. */
  run(commands: readonly Command[], options: RunOptions): void {
    this.exclusive.run(commands, options)
  }

  /** Its caller's signal fired. False when the command is not one that runs alone here. */
  cancel(command: Command, reason: unknown): boolean {
    return this.exclusive.cancel(command, reason)
  }

  fail(command: Command, error: CenoteError): void {
    this.judge.fail(command, error)
  }

  /** A lease without waiting, if one can be had like that. */
  tryAcquire(label: string): LeasedConnection | undefined {
    return this.leases.tryAcquire(label)
  }

  acquire(options?: AcquireOptions): Promise<LeasedConnection> {
    return this.leases.acquire(options)
  }

  /**
   * A connection of its own, of the same budget. It shares pace and breaker with the others; as another user, or to
   * another address, it has what differs for itself.
   */
  openLine(options: ResolvedOptions, events: LineEvents, label: string): Line {
    const { means } = this
    const { host, port, path, family } = options
    const credentials = new Credentials(options)
    const same = host === this.options.host && port === this.options.port && path === this.options.path
    const address = same ? this.address : new Address({ host, port, path }, family)
    const dial = this.newDial(options, address, credentials, means.clock)
    const dialer = same ? this.dialer : this.newDialer(options, address, means.clock)
    const liveness = same ? this.liveness : new Liveness(options.watchdogMs, means.clock, dialer, dial, means.permits)
    const line = new Line(
      { ...means, options, credentials, dialer, dial, detour: undefined },
      liveness,
      this,
      events,
      label,
    )
    this.lines.add(line)
    return line
  }

  /** A line whose user does not mind goes on with another server. */
  moveLine(line: Line, to: Node): void {
    this.lines.delete(line)
    to.lines.add(line)
    line.move({ ...to.means, options: line.options, detour: undefined }, to.liveness, to)
  }

  onLineGone(line: Line): void {
    this.lines.delete(line)
    if (line.dialer !== this.dialer) line.dialer.close()
    this.events.onLineGone()
  }

  describeHolders(): string {
    const now = monotonic()
    const lines = [...this.lines].filter((line) => line.holdsPermit)
    const held = [
      ...this.leases.out.holders(),
      ...lines.map(({ label, createdAt }) => ({ label, heldMs: Math.round(now - createdAt) })),
    ].sort((a, b) => b.heldMs - a.heldMs)
    const named = held.slice(0, 5).map(({ label, heldMs }) => `${label} for ${heldMs} ms`)
    const more = held.length > named.length ? [`${held.length - named.length} more`] : []
    return [`${this.lanes.length} shared`, ...named, ...more].join(', ')
  }

  /** Resolves when everything accepted so far on the lanes was answered. */
  async answered(): Promise<void> {
    await Promise.all(this.lanes.map((lane) => lane.answered()))
  }

  tick(now: number): boolean {
    let busy = this.leases.tick(now)
    for (const lane of this.lanes) {
      busy = lane.tick(now) || busy
      if (lane.entry !== undefined) this.liveness.checkpoint(lane.entry, now)
      for (const entry of lane.suspects) this.liveness.inspect(entry, now)
    }
    for (const line of this.lines) {
      busy = line.tick(now) || busy
      if (line.liveness !== this.liveness) busy = line.liveness.tick(now) || busy
    }
    busy = this.liveness.tick(now) || busy
    return this.fallback?.tick(now) === true || busy
  }

  /** The housekeeper's round: what is idle for too long, or old, goes. */
  sweep(): void {
    if (!this.closed) this.upkeep.sweep()
  }

  /** The active check: whoever is silent on purpose, or has nothing to say, is asked. */
  check(): Promise<void> {
    return this.closed ? Promise.resolve() : this.upkeep.check(this.messenger)
  }

  /** Asks for the password anew and authenticates every live connection with it. */
  renewCredentials(): void {
    this.upkeep.renewCredentials(this.means.credentials, (error) => {
      this.counters.lastError = error.message
      if (!this.closed) this.events.onError(error, this)
    })
  }

  /** Opens the lanes anew; the old connections have `graceMs` to answer what they owe. */
  reconnect(error: CenoteError, graceMs: number): void {
    for (const lane of this.lanes) lane.renewNow(error, graceMs)
  }

  onDialing(lane: Lane): void {
    if (lane === this.first) this.events.onConnecting()
  }

  onDialFailed(_lane: Lane, error: CenoteError): void {
    this.events.onError(error, this)
  }

  onLeaseDialFailed(error: CenoteError): void {
    this.events.onError(error, this)
  }

  onUp(lane: Lane, { connection }: Entry): void {
    this.everUp = true
    this.fallback?.rest()
    this.server = { version: connection.serverVersion, role: connection.serverRole }
    if (lane === this.first) this.events.onUp(this)
  }

  onDown(lane: Lane, error: CenoteError): void {
    if (lane === this.first) this.events.onDown(this, error)
  }

  onConnectionClosed(connection: Connection, reason: CloseReason, error: CenoteError): void {
    const { counters } = this
    counters.onClosed(reason)
    this.closedBytesRead += connection.bytesRead
    this.closedBytesWritten += connection.bytesWritten
    if (!PLANNED.has(reason)) counters.lastError = error.message
  }

  onPush(connection: Connection, items: unknown[]): void {
    this.events.onPush(connection, items)
  }

  onError(error: CenoteError): void {
    this.events.onError(error, this)
  }

  /** Refuses new borrowers; resolves when every lease has come back. */
  drainLeases(): Promise<void> {
    return this.leases.drain()
  }

  /** Rejects what waits, writes what was accepted, and closes once it is answered; `destroy` is to follow in time. */
  finish(): void {
    const error = new ClosedError()
    for (const lane of this.lanes) lane.finish(error)
    this.leases.destroy(error)
  }

  /** Ends what commands share. Lines live on until their users end them. */
  destroy(error: CenoteError): void {
    if (this.closed) return
    this.closed = true
    for (const lane of this.lanes) lane.destroy(error)
    this.leases.destroy(error)
    this.fallback?.abandon(error)
    this.means.dial.cut()
  }
}

/** Closed by the pool's own plan, nothing to worry about. */
const PLANNED: ReadonlySet<CloseReason> = new Set(['idle', 'max-lifetime', 'pool-closed', 'budget'])
