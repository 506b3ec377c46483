import type { ResolvedOptions } from '../config/options.js'
import type { LoopClock } from '../connection/clock.js'
import type { Connection, ConnectionOwner } from '../connection/connection.js'
import { HandshakeError } from '../connection/handshake.js'
import { type CenoteError, ClosedError, ConnectionError, isCenoteError } from '../errors.js'
import type { Counters } from '../observe/counters.js'
import { backoffDelay } from '../resilience/backoff.js'
import { Breaker } from '../resilience/breaker.js'
import { RateLimit } from '../resilience/rate-limit.js'
import type { Topology } from '../topology/standalone.js'
import type { Credentials } from './credentials.js'
import { Dial } from './dial.js'

/** Delay between dials while the server is unreachable: short enough that its return is noticed at once. */
const DIAL_BACKOFF = { baseDelayMs: 10, factor: 2, maxDelayMs: 200 }
/**
 * After refusals that only others can mend (credentials, the server's limit of clients): soon at first, because a
 * rotated password or a free place is a matter of moments, then ever less often, because the server logs them.
 */
const REFUSED_BACKOFF = { baseDelayMs: 50, factor: 1.5, maxDelayMs: 2_000 }

/** A wish for a connection. Granted in order of arrival, however many dials that takes. */
export interface DialRequest {
  /** Takes over the ready connection. */
  readonly owner: ConnectionOwner
  /** Goes before the others: everybody's commands wait for it. */
  readonly urgent?: boolean
  granted(connection: Connection): void
  /** Only for failures that dialling again cannot mend; others are retried behind the breaker. */
  refused(error: CenoteError): void
}

/** Told of each attempt that failed, and of changes of the breaker. */
export interface DialObserver {
  onDialing?(): void
  onDialFailed(error: CenoteError): void
}

/**
 * Decides when connections are opened: a cap on dials at once and per second, a breaker while the server cannot be
 * reached, one probe at a time behind it.
 */
export class Dialer {
  readonly breaker = new Breaker(DIAL_BACKOFF)
  /** Dials under way. */
  dialing = 0
  lastFailure: CenoteError | undefined
  private readonly connector: Dial
  private readonly rate: RateLimit
  private readonly queue: DialRequest[] = []
  private timer: NodeJS.Timeout | undefined
  private closed = false

  constructor(
    private readonly options: ResolvedOptions,
    private readonly topology: Topology,
    credentials: Credentials,
    private readonly clock: LoopClock,
    private readonly counters: Counters,
    private readonly observer: DialObserver,
  ) {
    this.connector = new Dial(options, topology, credentials, clock, counters)
    this.rate = new RateLimit(options.dialsPerSecond)
  }

  request(request: DialRequest): void {
    if (request.urgent === true) this.queue.unshift(request)
    else this.queue.push(request)
    this.pump()
  }

  withdraw(request: DialRequest): boolean {
    const at = this.queue.indexOf(request)
    if (at < 0) return false
    this.queue.splice(at, 1)
    return true
  }

  /** The error that makes waiting pointless right now: a refusal that holds, or an outage that has lasted too long. */
  failFastError(): CenoteError | undefined {
    const { breaker, lastFailure } = this
    if (breaker.openSince === undefined || lastFailure === undefined) return undefined
    const now = this.clock.refresh()
    if (isRefusal(lastFailure)) {
      // Once another try is allowed its result is worth waiting for: what was refused may have been put right.
      return breaker.state === 'open' && breaker.delay(now) > 0 ? lastFailure : undefined
    }
    const outage = now - breaker.openSince
    if (this.options.failFastAfterMs === 0 || outage < this.options.failFastAfterMs) return undefined
    return new ConnectionError(
      `${this.topology.describe()} has been unreachable for ${Math.round(outage)} ms (${lastFailure.message}); not sent. It is tried again continuously`,
      { cause: lastFailure },
    )
  }

  close(): void {
    this.closed = true
    if (this.timer !== undefined) clearTimeout(this.timer)
    this.timer = undefined
    for (const request of this.queue.splice(0)) request.refused(new ClosedError())
    this.connector.close()
  }

  private pump(): void {
    while (!this.closed && this.queue.length > 0) {
      if (this.dialing >= this.options.dialConcurrency) return
      const now = this.clock.refresh()
      const wait = Math.max(this.breaker.delay(now), this.rate.delay(now))
      if (wait > 0) {
        if (wait !== Number.POSITIVE_INFINITY) this.wakeIn(wait)
        return
      }
      this.breaker.begin()
      void this.attempt(this.queue.shift()!)
    }
  }

  private wakeIn(milliseconds: number): void {
    if (this.timer !== undefined) return
    this.timer = setTimeout(() => {
      this.timer = undefined
      this.pump()
    }, Math.ceil(milliseconds))
  }

  private async attempt(request: DialRequest): Promise<void> {
    this.dialing++
    this.observer.onDialing?.()
    try {
      const connection = await this.dial(this.options.connectTimeoutMs)
      this.dialing--
      connection.owner = request.owner
      request.granted(connection)
    } catch (error) {
      this.dialing--
      const failure = error as CenoteError
      if (this.closed) request.refused(failure)
      else if (isRefusal(failure)) {
        // All who wait would hear the same, one paced dial after another.
        for (const other of [request, ...this.queue.splice(0)]) other.refused(failure)
      } else this.queue.unshift(request)
    }
    this.pump()
  }

  /**
   * One dial with handshake, past the queue but told to the breaker and counted against the rate.
   * @throws CenoteError saying what was refused, and by whom
   */
  async dial(timeoutMs: number): Promise<Connection> {
    this.counters.dialAttempts++
    this.rate.spend()
    const { generation } = this.breaker
    try {
      const connection = await this.connector.open(timeoutMs)
      this.breaker.success()
      this.lastFailure = undefined
      return connection
    } catch (error) {
      const failure = isCenoteError(error) ? error : new ConnectionError('Dialling failed', { cause: error })
      if (this.closed) throw failure
      this.counters.dialFailures++
      this.counters.lastDialError = failure.message
      this.counters.lastError = failure.message
      this.lastFailure = failure
      this.breaker.failure(this.clock.refresh(), isRefusal(failure) ? this.refusedDelay() : 0, generation)
      this.observer.onDialFailed(failure)
      throw failure
    }
  }

  private refusedDelay(): number {
    return backoffDelay(REFUSED_BACKOFF, this.breaker.failures + 1, () => 0)
  }
}

function isRefusal(error: CenoteError): boolean {
  return error instanceof HandshakeError && error.failure !== 'loading'
}
