import { getMaxListeners, setMaxListeners } from 'node:events'
import type { ResolvedOptions } from '../config/options.js'
import type { LoopClock } from '../connection/clock.js'
import type { Command } from '../connection/command.js'
import type { CloseReason, Connection, ConnectionOwner, Leftovers } from '../connection/connection.js'
import { selectDatabase } from '../connection/handshake.js'
import {
  type AcquireTimeoutError,
  type CenoteError,
  ClosedError,
  ConnectionError,
  type LeaseHolder,
  type ReplyError,
} from '../errors.js'
import { aborted, acquireTimeout, type LeaseCounts, tooManyWaiters } from './acquire-errors.js'
import { expireDue } from './deadlines.js'
import { failAll } from './dial.js'
import type { DialRequest } from './dialer.js'
import { LeaseSet } from './lease-set.js'
import { LeasedConnection, type LeaseHome } from './leased-connection.js'
import type { PoolParts } from './parts.js'
import { signOfLife } from './sign-of-life.js'
import { Waiter, WaiterQueue } from './waiters.js'
import type { SuspectOwner } from './watchdog.js'

export interface AcquireOptions {
  /** How long to wait for a lease, ms. Default `acquireTimeoutMs`. 0 waits without limit. */
  timeoutMs?: number
  signal?: AbortSignal
  /** Named in time-outs and leak warnings. Default `lease`. */
  label?: string
}

export interface LeaseEvents {
  onConnectionClosed(connection: Connection, reason: CloseReason, error: CenoteError): void
}

/** A connection idle for longer is asked for a sign of life before it is lent; fresher ones are taken at their word. */
const VALIDATE_AFTER_MS = 500

/**
 * Lends connections for exclusive use. Returned connections go straight to the longest waiter; without waiters they
 * rest newest first, so that the surplus stays at the bottom and ages out.
 */
export class Leases implements LeaseHome, ConnectionOwner, SuspectOwner {
  readonly waiters = new WaiterQueue()
  readonly leased = new LeaseSet()
  private readonly idle: Connection[] = []
  private readonly requests = new Set<DialRequest>()
  /** Taken from the idle ones and asked for a sign of life. */
  private readonly validating = new Set<Connection>()
  /** Those of {@link validating} that may still answer in time to spare a dial. */
  private hopeful = 0
  private closed = false
  /** What SELECT on the pool has chosen; connections follow when they are lent. */
  database: number
  private whenEmpty: (() => void) | undefined

  constructor(
    private readonly options: ResolvedOptions,
    private readonly clock: LoopClock,
    private readonly parts: PoolParts,
    private readonly events: LeaseEvents,
  ) {
    this.database = options.db
  }

  /** Closes the connection that has idled longest, for somebody else in need of its permit. */
  makeRoom(): void {
    this.idle[0]?.close('idle', new ConnectionError('Its place was needed'))
  }

  get idleCount(): number {
    return this.idle.length
  }

  /**
   * @throws AcquireTimeoutError naming the holders, OverloadedError when too many wait, AbortedError, ClosedError
   */
  acquire(acquire: AcquireOptions = {}): Promise<LeasedConnection> {
    const { signal, label = 'lease' } = acquire
    if (this.closed) return Promise.reject(new ClosedError())
    if (signal?.aborted) return Promise.reject(aborted(signal))
    const hopeless = this.parts.dialer.failFastError()
    if (hopeless !== undefined && this.leased.size + this.idle.length === 0) return Promise.reject(hopeless)
    if (this.waiters.count >= this.options.maxWaiters) {
      return Promise.reject(tooManyWaiters(this.counts, this.parts.counters.acquire.percentile(0.5)))
    }
    const timeoutMs = acquire.timeoutMs ?? this.options.acquireTimeoutMs
    const now = this.clock.refresh()
    return new Promise((resolve, reject) => {
      const deadline = timeoutMs > 0 ? now + timeoutMs : Number.POSITIVE_INFINITY
      const stack = this.options.leakDetectionMs > 0 ? new Error('borrowed here').stack : undefined
      const onAbort = () => this.waiters.cancel(waiter, aborted(signal!))
      const waiter = new Waiter(
        label,
        deadline,
        (lease) => {
          signal?.removeEventListener('abort', onAbort)
          lease.stack = stack
          lease.label = label
          this.parts.counters.acquire.record(performance.now() - waiter.since)
          resolve(lease)
        },
        (error) => {
          signal?.removeEventListener('abort', onAbort)
          reject(error)
        },
      )
      // One signal for many calls is ordinary use, not a leak of listeners.
      if (signal !== undefined && getMaxListeners(signal) < 1_000) setMaxListeners(1_000, signal)
      signal?.addEventListener('abort', onAbort, { once: true })
      this.waiters.push(waiter)
      this.clock.wake()
      this.pump()
    })
  }

  /** The common case, without a queue and a promise: nobody waits, and a connection rests that was just in use. */
  tryAcquire(label: string): LeasedConnection | undefined {
    const candidate = this.idle[this.idle.length - 1]
    if (candidate === undefined || this.waiters.count > 0 || this.options.leakDetectionMs > 0) return undefined
    const now = performance.now()
    if (now - candidate.restingSince > VALIDATE_AFTER_MS) return undefined
    this.idle.pop()
    this.parts.counters.acquire.record(0)
    const lease = this.entrust(candidate, now)
    lease.label = label
    return lease
  }

  /** Serves waiters from what is idle, then asks for as many dials as there are waiters left and permits to take. */
  pump(): void {
    while (this.waiters.count > 0) {
      const candidate = this.idle.pop()
      if (candidate === undefined) break
      if (performance.now() - candidate.restingSince > VALIDATE_AFTER_MS) void this.validate(candidate)
      else this.lend(candidate)
    }
    while (this.requests.size + this.hopeful < this.waiters.count && this.parts.budget.take()) this.dial()
  }

  private async validate(connection: Connection): Promise<void> {
    const since = connection.lastReadAt
    this.validating.add(connection)
    this.hopeful++
    let hoping = true
    const giveUpHope = () => {
      if (hoping) this.hopeful--
      hoping = false
    }
    await signOfLife(
      connection,
      () => {
        giveUpHope()
        this.pump()
      },
      () => {
        // Those that were silent for longer went the same way most likely; a dial costs less than finding out.
        for (const older of [...this.idle]) {
          if (older.lastReadAt <= since)
            older.close('health-check', new ConnectionError('Idle beside a dead connection'))
        }
      },
    )
    giveUpHope()
    this.validating.delete(connection)
    if (connection.clean) this.lend(connection)
    this.pump()
  }

  private lend(connection: Connection): void {
    const lease = this.entrust(connection, performance.now())
    for (;;) {
      const waiter = this.waiters.shift()
      if (waiter === undefined) {
        this.leased.delete(lease)
        lease.released = true
        this.rest(connection, performance.now())
        return
      }
      if (waiter.deliver(lease)) return
    }
  }

  private entrust(connection: Connection, now: number): LeasedConnection {
    if (connection.database !== this.database) selectDatabase(connection, this.database)
    const lease = new LeasedConnection(connection, this.database, this.parts.judge, this, now)
    this.leased.add(lease)
    this.clock.wake()
    return lease
  }

  private rest(connection: Connection, now: number): void {
    connection.owner = this
    connection.restingSince = now
    this.idle.push(connection)
    this.clock.wake()
  }

  private dial(): void {
    const request: DialRequest = {
      owner: this,
      granted: (connection) => {
        this.requests.delete(request)
        if (this.closed) {
          connection.close('pool-closed', new ClosedError())
          return
        }
        const { maxLifetimeMs } = this.options
        // Up to a tenth less, so that connections opened together are not replaced together.
        if (maxLifetimeMs > 0) connection.expiresAt = connection.createdAt + maxLifetimeMs * (1 - Math.random() / 10)
        this.lend(connection)
      },
      refused: (error) => {
        this.requests.delete(request)
        this.parts.budget.give()
        // Others may return theirs in time; with nobody holding one, waiting is pointless.
        if (this.leased.size === 0 && this.idle.length === 0) this.waiters.shift()?.cancel(error)
      },
    }
    this.requests.add(request)
    this.parts.dialer.request(request)
  }

  onReleased(lease: LeasedConnection, reusable: boolean): void {
    const { connection } = lease
    const now = performance.now()
    // Closed while still the lease's own, which knows what became of the commands it had sent.
    if (this.closed) connection.close('pool-closed', new ClosedError())
    else if (!reusable || connection.stale) {
      connection.close(
        'doubtful',
        new ConnectionError('its lease was given back with a reply outstanding or a state that cannot be undone'),
      )
    } else if (now > connection.expiresAt) connection.close('max-lifetime', retired())
    else {
      this.leased.delete(lease)
      this.rest(connection, now)
      if (this.waiters.count > 0) this.pump()
    }
    this.announceEmpty()
  }

  onLost(lease: LeasedConnection, reason: CloseReason, error: CenoteError): void {
    if (this.leased.delete(lease)) {
      this.gone(lease.connection, reason, error)
      this.announceEmpty()
    }
  }

  onErrorReply(_connection: Connection, command: Command, error: ReplyError): void {
    command.fail(error)
  }

  onPush(): void {}

  onClosed(connection: Connection, reason: CloseReason, error: CenoteError, leftovers: Leftovers): void {
    failAll(leftovers, error)
    const at = this.idle.indexOf(connection)
    if (at >= 0) this.idle.splice(at, 1)
    this.gone(connection, reason, error)
  }

  private gone(connection: Connection, reason: CloseReason, error: CenoteError): void {
    this.parts.budget.give()
    this.events.onConnectionClosed(connection, reason, error)
    if (!this.closed) this.pump()
  }

  /** Deadlines of waiters and of commands on leases; returns whether anything is outstanding. */
  tick(now: number): boolean {
    for (const waiter of this.waiters.due(now)) {
      this.parts.counters.acquireTimeouts++
      this.parts.counters.onFailure('not-sent')
      this.waiters.cancel(waiter, this.timeoutError(waiter))
    }
    for (const lease of this.leased) {
      expireDue(lease.connection, now, this.parts.judge)
      this.parts.watchdog.inspect(lease.connection, now, this)
    }
    return this.waiters.count > 0 || this.leased.size > 0
  }

  replace(dead: Connection, error: CenoteError): boolean {
    dead.close('watchdog', error)
    return false
  }

  /** A lease cannot move to another connection, so it keeps its deadlines. */
  suspend(): void {}

  /** Authenticates anew what is not inside a borrower's transaction; the rest is closed when it comes back. */
  renewCredentials(renew: (connection: Connection) => void): void {
    for (const connection of this.idle) renew(connection)
    for (const { connection, inTransaction } of this.leased) {
      if (inTransaction) connection.stale = true
      else renew(connection)
    }
  }

  /** The housekeeper's round: evicts what idles too long or lived too long, refills to the minimum. */
  sweep(): void {
    const now = performance.now()
    const { idleTimeoutMs, minConnections } = this.options
    for (const connection of [...this.idle]) {
      if (now > connection.expiresAt) connection.close('max-lifetime', retired())
      else if (idleTimeoutMs > 0 && now - connection.restingSince > idleTimeoutMs && this.open > minConnections) {
        connection.close('idle', new ConnectionError('The connection was idle for too long'))
      }
    }
    while (this.open + this.requests.size < minConnections && this.parts.budget.take()) this.dial()
    // Waiters whose dials were refused for want of room at the server are tried again.
    this.pump()
  }

  /** Closes idle connections, and borrowed ones when they come back. */
  retire(unwanted: (connection: Connection) => boolean): void {
    for (const { connection } of this.leased) if (unwanted(connection)) connection.stale = true
    for (const connection of this.idleConnections())
      if (unwanted(connection)) connection.close('max-lifetime', retired())
  }

  get open(): number {
    return this.idle.length + this.leased.size + this.validating.size
  }

  /** Idle connections, for the health check. */
  idleConnections(): Connection[] {
    return [...this.idle]
  }

  holders(): LeaseHolder[] {
    const now = performance.now()
    return [...this.leased]
      .map((lease) => ({ label: lease.label, heldMs: Math.round(now - lease.borrowedAt), stack: lease.stack }))
      .sort((a, b) => b.heldMs - a.heldMs)
  }

  private get counts(): LeaseCounts {
    return {
      total: this.open + this.requests.size,
      idle: this.idle.length,
      leased: this.leased.size,
      dialing: this.requests.size,
      waiting: this.waiters.count,
      max: this.parts.budget.max,
    }
  }

  private timeoutError(waiter: Waiter): AcquireTimeoutError {
    return acquireTimeout(
      waiter.label,
      performance.now() - waiter.since,
      this.counts,
      this.holders(),
      this.parts.dialer.lastFailure?.message,
      this.clock.lagMs,
    )
  }

  /** Refuses new borrowers; resolves when every lease has come back. */
  drain(): Promise<void> {
    this.refuseWaiters(new ClosedError())
    for (const connection of this.idleConnections()) connection.close('pool-closed', new ClosedError())
    if (this.leased.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.whenEmpty = resolve
    })
  }

  destroy(error: CenoteError): void {
    this.refuseWaiters(error)
    for (const lease of [...this.leased]) lease.connection.close('pool-closed', error)
    for (const connection of [...this.idleConnections(), ...this.validating]) connection.close('pool-closed', error)
  }

  private refuseWaiters(error: CenoteError): void {
    this.closed = true
    for (const request of this.requests) {
      if (this.parts.dialer.withdraw(request)) {
        this.requests.delete(request)
        this.parts.budget.give()
      }
    }
    for (let waiter = this.waiters.shift(); waiter !== undefined; waiter = this.waiters.shift()) waiter.cancel(error)
  }

  private announceEmpty(): void {
    if (this.leased.size > 0) return
    this.whenEmpty?.()
    this.whenEmpty = undefined
  }
}

const retired = (): CenoteError => new ConnectionError('The connection reached its maximum lifetime')
