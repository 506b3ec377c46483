import type { ResolvedOptions } from '../config/options.js'
import type { LoopClock } from '../connection/clock.js'
import type { Connection } from '../connection/connection.js'
import { HandshakeError } from '../connection/handshake.js'
import { type CenoteError, ClosedError, ConnectionError, isCenoteError } from '../errors.js'
import type { Counters } from '../observe/counters.js'
import { Breaker } from '../resilience/breaker.js'
import type { RateLimit } from '../resilience/rate-limit.js'
import { clearTimeout, monotonic, setTimeout } from '../timers.js'
import type { Address } from './address.js'
import type { Dial } from './dial.js'
import { Entry, type TrustCheck } from './entry.js'
import { paceOf } from './pace.js'

/** Delay between dials while the server is unreachable: short enough that its return is noticed at once. */
const DIAL_BACKOFF = { baseDelayMs: 10, factor: 2, maxDelayMs: 200 }
/** One that waits behind others' dials hears of their failures so often, ms. */
const TELL_EVERY_MS = 1_000

/** A wish for a connection. Granted in order of arrival, however many dials that takes. */
export interface DialRequest {
  /** How it is opened: as whom, with which settings. */
  readonly dial: Dial
  /** Goes before the others: everybody's commands wait for it. */
  readonly urgent?: boolean
  /** False once nobody waits for it any more; asked before another dial. */
  readonly isWanted: boolean
  /** A dial begins for it. */
  dialing?(): void
  /** Takes over the ready connection, and says who holds it. */
  granted(entry: Entry): void
  /** A dial failed; it is tried again behind the breaker. */
  failed?(error: CenoteError): void
  /** Only for failures that dialling again cannot mend. */
  refused(error: CenoteError): void
}

/**
 * Decides when connections to one server are opened, for whatever purpose: a cap on dials at once and per second, a
 * breaker while the server cannot be reached, one probe at a time behind it.
 */
export class Dialer {
  readonly breaker = new Breaker(DIAL_BACKOFF)
  /** Dials under way. */
  dialing = 0
  lastFailure: CenoteError | undefined
  /** How long the fastest dial so far took, ms; says what is slow on this path and what is silence. */
  usualMs = 0
  private readonly pace: RateLimit
  private readonly queue: DialRequest[] = []
  private readonly toldAt = new WeakMap<DialRequest, number>()
  private timer: NodeJS.Timeout | undefined
  private closed = false

  /** @param heardAt active time at which any connection to the server was last heard of */
  constructor(
    private readonly options: ResolvedOptions,
    private readonly address: Address,
    private readonly clock: LoopClock,
    private readonly counters: Counters,
    private readonly isTrusted: TrustCheck,
    private readonly heardAt: () => number,
  ) {
    this.pace = paceOf(String(address), options.dialsPerSecond)
  }

  request(request: DialRequest): void {
    if (this.closed) {
      request.refused(new ClosedError())
      return
    }
    if (request.urgent === true) this.queue.unshift(request)
    else this.queue.push(request)
    this.pump()
  }

  withdraw(request: DialRequest): boolean {
    const at = this.queue.indexOf(request)
    if (at < 0) return false
    this.queue.splice(at, 1)
    if (this.queue.length === 0) this.sleep()
    return true
  }

  /**
   * Dials fail and nothing has been heard since they began to. While connections that are open go on answering, the
   * server is there, whatever keeps new ones away.
   */
  get isUnreachable(): boolean {
    const { openSince } = this.breaker
    return openSince !== undefined && this.heardAt() <= openSince
  }

  /** New connections cannot be had right now, for whatever reason. */
  isFailing(dial: Dial): boolean {
    return this.breaker.state !== 'closed' || dial.refusals.last !== undefined
  }

  /** The error that makes waiting pointless right now: a refusal that holds, or an outage that has lasted too long. */
  failFastError(dial: Dial): CenoteError | undefined {
    const { breaker, lastFailure } = this
    const now = this.clock.refresh()
    const { refusals } = dial
    // Once another try is allowed its result is worth waiting for: what was refused may have been put right.
    if (refusals.last !== undefined && refusals.delay(now) > 0) return refusals.last
    if (breaker.openSince === undefined || lastFailure === undefined) return undefined
    if (isFull(lastFailure)) return breaker.state === 'open' && breaker.delay(now) > 0 ? lastFailure : undefined
    const outage = now - breaker.openSince
    const { failFastAfterMs } = this.options
    if (failFastAfterMs === 0 || outage < failFastAfterMs || !this.isUnreachable) return undefined
    return new ConnectionError(
      `${this.address} has been unreachable for ${Math.round(outage)} ms (${lastFailure.message}); not sent. It is tried again continuously`,
      { cause: lastFailure },
    )
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.sleep()
    for (const request of this.queue.splice(0)) request.refused(new ClosedError())
  }

  private pump(): void {
    while (!this.closed && this.queue.length > 0) {
      if (this.dialing >= this.options.dialConcurrency) return
      const now = this.clock.refresh()
      const general = Math.max(this.breaker.delay(now), this.pace.delay(monotonic()))
      const delays = this.queue.map(({ dial }) => Math.max(general, dial.refusals.delay(now)))
      const at = delays.indexOf(0)
      if (at < 0) {
        const wait = Math.min(...delays)
        if (wait !== Number.POSITIVE_INFINITY) this.wakeIn(wait)
        return
      }
      this.breaker.begin()
      void this.attempt(this.queue.splice(at, 1)[0]!)
    }
  }

  private wakeIn(milliseconds: number): void {
    if (this.timer !== undefined) return
    this.timer = setTimeout(() => {
      this.timer = undefined
      this.pump()
    }, Math.ceil(milliseconds))
  }

  private sleep(): void {
    clearTimeout(this.timer)
    this.timer = undefined
  }

  private async attempt(request: DialRequest): Promise<void> {
    this.dialing++
    request.dialing?.()
    let connection: Connection
    try {
      connection = await this.open(request.dial)
      this.dialing--
    } catch (error) {
      this.dialing--
      this.onFailed(request, error as CenoteError)
      this.pump()
      return
    }
    request.granted(this.adopt(connection))
    this.pump()
  }

  private onFailed(request: DialRequest, failure: CenoteError): void {
    if (this.closed || !request.isWanted) {
      request.refused(this.closed ? failure : new ClosedError())
      return
    }
    if (isRefusal(failure)) {
      // All who wait for the same would hear the same, one paced dial after another.
      for (const other of [request, ...this.takeLike(request, failure)]) other.refused(failure)
      return
    }
    this.queue.unshift(request)
    const now = monotonic()
    for (const other of [...this.queue]) {
      if (other !== request && now - (this.toldAt.get(other) ?? 0) < TELL_EVERY_MS) continue
      this.toldAt.set(other, now)
      other.failed?.(failure)
    }
  }

  private takeLike(request: DialRequest, failure: CenoteError): DialRequest[] {
    const taken = this.queue.filter(({ dial }) => isFull(failure) || dial === request.dial)
    for (const other of taken) this.withdraw(other)
    return taken
  }

  adopt(connection: Connection): Entry {
    return new Entry(connection, this.isTrusted)
  }

  /**
   * One dial with handshake, past the queue but told to the breaker and counted against the pace.
   * @param reachMs see {@link Dial.open}
   * @throws CenoteError saying what was refused, and by whom
   */
  async open(dial: Dial, reachMs?: number): Promise<Connection> {
    this.counters.dialAttempts++
    this.pace.spend()
    const { generation } = this.breaker
    const startedAt = this.clock.refresh()
    try {
      const connection = await dial.open(reachMs)
      this.breaker.success()
      dial.refusals.clear()
      this.lastFailure = undefined
      const took = this.clock.refresh() - startedAt
      this.usualMs = this.usualMs === 0 ? took : Math.min(this.usualMs, took)
      return connection
    } catch (error) {
      const failure = isCenoteError(error) ? error : new ConnectionError('Dialling failed', { cause: error })
      if (this.closed) throw failure
      this.counters.dialFailures++
      this.counters.lastDialError = failure.message
      this.counters.lastError = failure.message
      this.lastFailure = failure
      this.note(dial, failure, generation)
      throw failure
    }
  }

  private note(dial: Dial, failure: CenoteError, generation: number): void {
    const now = this.clock.refresh()
    if (!isRefusal(failure)) this.breaker.failure(now, 0, generation)
    else {
      dial.refusals.note(failure, now)
      // A full server refuses everybody; one that has something against a user or a setting is there for the others.
      if (isFull(failure)) this.breaker.failure(now, dial.refusals.pause, generation)
      else this.breaker.success()
    }
  }
}

/** The server, or a setting, is against it; trying again soon changes nothing. */
function isRefusal(error: CenoteError): boolean {
  return error instanceof HandshakeError && error.failure !== 'loading'
}

const isFull = (error: CenoteError): boolean => error instanceof HandshakeError && error.failure === 'max-clients'
