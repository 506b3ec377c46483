import { getMaxListeners, setMaxListeners } from 'node:events'
import type { Command } from '../connection/command.js'
import type { CloseReason, Connection, Leftovers } from '../connection/connection.js'
import { selectDatabase } from '../connection/handshake.js'
import { type AcquireTimeoutError, type CenoteError, ClosedError, ConnectionError, type ReplyError } from '../errors.js'
import { monotonic } from '../timers.js'
import { aborted, acquireTimeout, type LeaseCounts, tooManyWaiters } from './acquire-errors.js'
import { expireDue } from './deadlines.js'
import type { DialRequest } from './dialer.js'
import type { Entry, Holder } from './entry.js'
import { LeaseSet } from './lease-set.js'
import { LeasedConnection, type Shelf } from './leased-connection.js'
import { failAll } from './leftovers.js'
import { type Liveness, PATIENCE_MS } from './liveness.js'
import type { Means } from './means.js'
import type { Lender, Want } from './permits.js'
import { Waiter, WaiterQueue } from './waiters.js'

export interface AcquireOptions {
  /** On a cluster: the lease is of the server that has this key. Without it of any; elsewhere it means nothing. */
  key?: string | Buffer
  /** How long to wait for a lease, ms. Default `acquireTimeoutMs`. 0 waits without limit. */
  timeoutMs?: number
  signal?: AbortSignal
  /** Named in time-outs and leak warnings. Default `lease`. */
  label?: string
}

export interface LeaseEvents {
  onLeaseDialFailed(error: CenoteError): void
  onConnectionClosed(connection: Connection, reason: CloseReason, error: CenoteError): void
}

/** A connection idle for longer is asked for a sign of life before it is lent; fresher ones are taken at their word. */
const VALIDATE_AFTER_MS = 500

/**
 * Lends connections for exclusive use. Returned connections go straight to the longest waiter; without waiters they
 * rest newest first, so that the surplus stays at the bottom and ages out.
 */
export class Leases implements Shelf, Holder, Lender, Want {
  readonly waiters = new WaiterQueue()
  readonly out = new LeaseSet()
  private readonly idle: Entry[] = []
  private readonly requests = new Set<DialRequest>()
  /** Taken from the idle ones and asked for a sign of life. */
  private readonly asked = new Set<Entry>()
  /** Those of {@link asked} that may still answer in time to spare a dial. */
  private hopeful = 0
  /** Waits for a permit on behalf of all waiters. */
  private wanting = false
  private closed = false
  /** What SELECT on the pool has chosen; connections follow when they are lent. */
  database: number
  private whenEmpty: (() => void) | undefined

  constructor(
    private readonly means: Means,
    private readonly liveness: Liveness,
    private readonly events: LeaseEvents,
  ) {
    this.database = means.options.db
    means.permits.addLender(this)
  }

  makeRoom(): boolean {
    const oldest = this.idle[0]
    oldest?.connection.close('idle', new ConnectionError('Its place was needed'))
    return oldest !== undefined
  }

  /** Since when the longest waiter waits. */
  get since(): number {
    return this.waiters.firstSince
  }

  get idleCount(): number {
    return this.idle.length
  }

  get dialing(): number {
    return this.requests.size
  }

  get open(): number {
    return this.idle.length + this.out.size + this.asked.size
  }

  /** Idle connections, for the health check. */
  get idleEntries(): readonly Entry[] {
    return [...this.idle]
  }

  /**
   * @throws AcquireTimeoutError naming the holders, OverloadedError when too many wait, AbortedError, ClosedError
   */
  acquire(acquire: AcquireOptions = {}): Promise<LeasedConnection> {
    const { signal, label = 'lease', timeoutMs = this.means.options.acquireTimeoutMs } = acquire
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(aborted(signal))
        return
      }
      let waiter: Waiter | undefined
      const onAbort = () => waiter !== undefined && this.withdraw(waiter, aborted(signal!))
      const done = () => signal?.removeEventListener('abort', onAbort)
      // One signal for many calls is ordinary use, not a leak of listeners.
      if (signal !== undefined && getMaxListeners(signal) < 1_000) setMaxListeners(1_000, signal)
      signal?.addEventListener('abort', onAbort, { once: true })
      waiter = this.enqueue(
        label,
        timeoutMs,
        (lease) => {
          done()
          resolve(lease)
        },
        (error) => {
          done()
          reject(error)
        },
      )
    })
  }

  /** Queues a caller who hears by callback; undefined when it was refused at once, which the callback has told. */
  enqueue(
    label: string,
    timeoutMs: number,
    deliver: (lease: LeasedConnection) => void,
    refuse: (error: CenoteError) => void,
  ): Waiter | undefined {
    const refusal = this.refusal()
    if (refusal !== undefined) {
      refuse(refusal)
      return undefined
    }
    const { options, clock, counters } = this.means
    const deadline = timeoutMs > 0 ? clock.refresh() + timeoutMs : Number.POSITIVE_INFINITY
    const stack = options.leakDetectionMs > 0 ? stackOfCaller() : undefined
    const waiter: Waiter = new Waiter(
      label,
      deadline,
      stack,
      (lease) => {
        lease.stack = stack
        lease.label = label
        counters.acquire.record(monotonic() - waiter.since)
        deliver(lease)
      },
      (error) => refuse(error as CenoteError),
    )
    this.waiters.push(waiter)
    clock.wake()
    this.pump()
    return waiter
  }

  private refusal(): CenoteError | undefined {
    if (this.closed) return new ClosedError()
    const { dialer, options, counters } = this.means
    const hopeless = this.open === 0 ? dialer.failFastError(this.means.dial) : undefined
    if (hopeless !== undefined) return hopeless
    if (this.waiters.count < options.maxWaiters) return undefined
    return tooManyWaiters(this.counts, counters.acquire.percentile(0.5))
  }

  withdraw(waiter: Waiter, error: CenoteError): boolean {
    return this.waiters.cancel(waiter, error)
  }

  /** The common case, without a queue and a promise: nobody waits, and a connection rests that was just in use. */
  tryAcquire(label: string): LeasedConnection | undefined {
    const candidate = this.idle[this.idle.length - 1]
    if (candidate === undefined || this.waiters.count > 0 || this.means.options.leakDetectionMs > 0) return undefined
    const now = monotonic()
    if (now - candidate.restingSince > VALIDATE_AFTER_MS) return undefined
    this.idle.pop()
    this.means.counters.acquire.record(0)
    const lease = this.entrust(candidate, now)
    lease.label = label
    return lease
  }

  /** Serves waiters from what is idle, then asks for as many dials as there are waiters left and permits to take. */
  pump(): void {
    while (this.waiters.count > 0) {
      const candidate = this.idle.pop()
      if (candidate === undefined) break
      if (monotonic() - candidate.restingSince > VALIDATE_AFTER_MS) void this.validate(candidate)
      else this.lend(candidate)
    }
    while (this.needsDial && this.means.permits.take()) this.dial()
    if (this.needsDial && !this.wanting) {
      this.wanting = true
      this.means.permits.request(this)
    }
  }

  private get needsDial(): boolean {
    return !this.closed && this.requests.size + this.hopeful < this.waiters.count
  }

  /** A permit came in turn. */
  granted(): void {
    this.wanting = false
    if (this.needsDial) this.dial()
    else this.means.permits.give()
    this.pump()
  }

  private async validate(entry: Entry): Promise<void> {
    this.asked.add(entry)
    this.hopeful++
    let hoping = true
    const giveUpHope = () => {
      if (hoping) this.hopeful--
      hoping = false
    }
    const alarm = this.means.clock.alarm(PATIENCE_MS, () => {
      giveUpHope()
      // Others that were silent for as long went the same way most likely; asked now, they are found out together.
      for (const other of this.idleEntries) {
        if (other.connection.lastReadAt > entry.connection.lastReadAt) continue
        this.idle.splice(this.idle.indexOf(other), 1)
        void this.examine(other)
      }
      this.pump()
    })
    await this.liveness.ask(entry)
    alarm.cancel()
    giveUpHope()
    this.welcome(entry)
    this.pump()
  }

  /** Not for a waiter: found alive it goes back to the others. */
  private async examine(entry: Entry): Promise<void> {
    this.asked.add(entry)
    await this.liveness.ask(entry)
    this.welcome(entry)
  }

  /** Back from being asked. One that still owes something cannot be lent, and nobody else would look after it. */
  private welcome(entry: Entry): void {
    this.asked.delete(entry)
    if (entry.connection.clean) this.lend(entry)
    else if (entry.isOpen)
      entry.connection.close('doubtful', new ConnectionError('It owed a reply when it was to be lent'))
  }

  private lend(entry: Entry): void {
    const lease = this.entrust(entry, monotonic())
    for (;;) {
      const waiter = this.waiters.shift()
      if (waiter === undefined) {
        this.out.delete(lease)
        lease.released = true
        this.rest(entry, monotonic())
        return
      }
      if (waiter.deliver(lease)) return
    }
  }

  private entrust(entry: Entry, now: number): LeasedConnection {
    if (entry.connection.database !== this.database) selectDatabase(entry.connection, this.database)
    const lease = new LeasedConnection(entry, this.database, this.means.judge, this, now)
    this.out.add(lease)
    this.means.clock.wake()
    return lease
  }

  private rest(entry: Entry, now: number): void {
    entry.holder = this
    entry.restingSince = now
    this.idle.push(entry)
    this.means.clock.wake()
  }

  private dial(): void {
    const isClosed = () => this.closed
    const request: DialRequest = {
      dial: this.means.dial,
      get isWanted() {
        return !isClosed()
      },
      granted: (entry) => {
        this.requests.delete(request)
        entry.holder = this
        entry.limitLife(this.means.options.maxLifetimeMs)
        if (this.closed) entry.connection.close('pool-closed', new ClosedError())
        else if (entry.isOpen) this.lend(entry)
        else {
          this.means.permits.give()
          this.pump()
        }
        this.announceEmpty()
      },
      failed: (error) => this.events.onLeaseDialFailed(error),
      refused: (error) => {
        this.requests.delete(request)
        this.means.permits.give()
        if (!this.closed) this.events.onLeaseDialFailed(error)
        // Others may return theirs in time; with nobody holding one, waiting is pointless.
        if (this.open === 0) this.waiters.shift()?.cancel(error)
        this.announceEmpty()
      },
    }
    this.requests.add(request)
    this.means.dialer.request(request)
  }

  onReturned(lease: LeasedConnection, reusable: boolean): void {
    const { entry } = lease
    const { permits } = this.means
    const { connection } = entry
    const now = monotonic()
    // Closed while still the lease's own, which knows what became of the commands it had sent.
    if (this.closed) connection.close('pool-closed', new ClosedError())
    else if (!reusable || entry.stale) {
      connection.close(
        'doubtful',
        new ConnectionError('its lease was given back with a reply outstanding or a state that cannot be undone'),
      )
    } else if (entry.isOld) connection.close('max-lifetime', retired())
    else if (permits.exceeded) connection.close('budget', new ConnectionError('Fewer connections may be held by now'))
    else if (permits.isWantedBefore(this.since, this)) {
      connection.close('idle', new ConnectionError('Somebody waited for its place for longer'))
    } else {
      this.out.delete(lease)
      this.rest(entry, now)
      if (this.waiters.count > 0) this.pump()
    }
    this.announceEmpty()
  }

  onLost(lease: LeasedConnection, reason: CloseReason, error: CenoteError): void {
    if (this.out.delete(lease)) {
      this.gone(lease.entry, reason, error)
      this.announceEmpty()
    }
  }

  onErrorReply(_entry: Entry, command: Command, error: ReplyError): void {
    command.fail(error)
  }

  onPush(): void {}

  onClosed(entry: Entry, reason: CloseReason, error: CenoteError, leftovers: Leftovers): void {
    failAll(leftovers, error)
    const at = this.idle.indexOf(entry)
    if (at >= 0) this.idle.splice(at, 1)
    this.gone(entry, reason, error)
  }

  private gone({ connection }: Entry, reason: CloseReason, error: CenoteError): void {
    this.events.onConnectionClosed(connection, reason, error)
    this.means.permits.give()
    if (!this.closed) this.pump()
  }

  onDead(entry: Entry, error: CenoteError): boolean {
    entry.connection.close('watchdog', error)
    return false
  }

  /** Nothing is written to an idle connection before it has answered. */
  onPathDown(): void {}

  /** Deadlines of waiters and of commands on leases; returns whether anything is outstanding. */
  tick(now: number): boolean {
    const { counters, judge } = this.means
    for (const waiter of this.waiters.due(now)) {
      counters.acquireTimeouts++
      counters.onFailure('not-sent')
      this.waiters.cancel(waiter, this.timeoutError(waiter))
    }
    for (const { entry } of this.out) {
      expireDue(entry.connection, now, judge)
      this.liveness.inspect(entry, now)
    }
    return this.waiters.count > 0 || this.out.size > 0
  }

  /** Authenticates anew what is not inside a borrower's transaction; the rest is closed when it comes back. */
  renewCredentials(renew: (connection: Connection) => void): void {
    for (const { connection } of this.idle) renew(connection)
    for (const { entry } of this.out) {
      if (entry.inTransaction) entry.stale = true
      else renew(entry.connection)
    }
  }

  /** The housekeeper's round: evicts what idles too long or lived too long, refills to the minimum. */
  sweep(): void {
    const now = monotonic()
    const { idleTimeoutMs, minConnections } = this.means.options
    for (const entry of this.idleEntries) {
      const { connection } = entry
      if (entry.isOld) connection.close('max-lifetime', retired())
      else if (idleTimeoutMs > 0 && now - entry.restingSince > idleTimeoutMs && this.open > minConnections) {
        connection.close('idle', new ConnectionError('The connection was idle for too long'))
      }
    }
    while (!this.closed && this.open + this.requests.size < minConnections && this.means.permits.take()) this.dial()
    // Waiters whose dials were refused for want of room at the server are tried again.
    this.pump()
  }

  /** Closes idle connections, and borrowed ones when they come back. */
  retire(unwanted: (connection: Connection) => boolean): void {
    for (const { entry } of this.out) if (unwanted(entry.connection)) entry.stale = true
    for (const { connection } of this.idleEntries) if (unwanted(connection)) connection.close('max-lifetime', retired())
  }

  get counts(): LeaseCounts {
    return {
      total: this.open + this.requests.size,
      idle: this.idle.length,
      leased: this.out.size,
      dialing: this.requests.size,
      waiting: this.waiters.count,
      max: this.means.permits.max,
    }
  }

  private timeoutError(waiter: Waiter): AcquireTimeoutError {
    return acquireTimeout(
      waiter.label,
      monotonic() - waiter.since,
      this.counts,
      this.out.holders(),
      this.means.dialer.lastFailure?.message,
      this.means.clock.lagMs,
    )
  }

  /** Refuses new borrowers; resolves when every lease has come back. */
  drain(): Promise<void> {
    this.refuseWaiters(new ClosedError())
    for (const { connection } of this.idleEntries) connection.close('pool-closed', new ClosedError())
    if (this.out.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.whenEmpty = resolve
    })
  }

  destroy(error: CenoteError): void {
    this.refuseWaiters(error)
    for (const { entry } of this.out) entry.connection.close('pool-closed', error)
    for (const { connection } of [...this.idle, ...this.asked]) connection.close('pool-closed', error)
    this.means.permits.removeLender(this)
    this.announceEmpty()
  }

  private refuseWaiters(error: CenoteError): void {
    this.closed = true
    if (this.wanting && this.means.permits.withdraw(this)) this.wanting = false
    for (const request of this.requests) {
      if (this.means.dialer.withdraw(request)) {
        this.requests.delete(request)
        this.means.permits.give()
      }
    }
    for (let waiter = this.waiters.shift(); waiter !== undefined; waiter = this.waiters.shift()) waiter.cancel(error)
  }

  private announceEmpty(): void {
    if (this.out.size > 0) return
    this.whenEmpty?.()
    this.whenEmpty = undefined
  }
}

const retired = (): CenoteError => new ConnectionError('The connection reached its maximum lifetime')

/** Frames of ours stand before that of the borrower, and the usual ten would show little else. */
function stackOfCaller(): string | undefined {
  const depth = Error.stackTraceLimit
  Error.stackTraceLimit = 30
  const { stack } = new Error('borrowed here')
  Error.stackTraceLimit = depth
  return stack
}
