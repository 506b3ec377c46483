import type { ResolvedOptions } from '../config/options.js'
import type { LoopClock } from '../connection/clock.js'
import { type CloseReason, Connection, type ConnectionOwner } from '../connection/connection.js'
import { HandshakeError, type HandshakeOptions, performHandshake } from '../connection/handshake.js'
import { type CenoteError, ClosedError, ConnectionError, isCenoteError } from '../errors.js'
import type { Counters } from '../observe/counters.js'
import { Breaker } from '../resilience/breaker.js'
import type { Topology } from '../topology/standalone.js'

/** Delay between dials while the server is unreachable: short enough that its return is noticed at once. */
const DIAL_BACKOFF = { baseDelayMs: 10, factor: 2, maxDelayMs: 200 }
/** Refusals that dialling again cannot mend soon: credentials, the server's connection limit. */
const REFUSED_DELAY_MS = 1_000

/** A wish for a connection. Granted in order of arrival, however many dials that takes. */
export interface DialRequest {
  /** Takes over the ready connection. */
  readonly owner: ConnectionOwner
  granted(connection: Connection): void
  /** Only for failures that dialling again cannot mend; others are retried behind the breaker. */
  refused(error: CenoteError): void
}

/** Called whenever an attempt ends, so that owners can react to the first failure as well as to the last. */
export interface DialObserver {
  onDialFailed(error: CenoteError): void
}

/**
 * The only place that opens connections. Caps how many dials run at once, waits behind the breaker while the server
 * is unreachable, and lets one probe through at a time.
 */
export class Dialer {
  readonly breaker = new Breaker(DIAL_BACKOFF)
  /** Dials under way. */
  dialing = 0
  lastFailure: CenoteError | undefined
  private readonly queue: DialRequest[] = []
  private readonly underway = new Set<Connection>()
  private timer: NodeJS.Timeout | undefined
  private closed = false

  constructor(
    private readonly options: ResolvedOptions,
    private readonly topology: Topology,
    private readonly clock: LoopClock,
    private readonly counters: Counters,
    private readonly observer: DialObserver,
  ) {}

  /** Requests not yet granted, dials under way included. */
  get pending(): number {
    return this.queue.length + this.dialing
  }

  request(request: DialRequest): void {
    this.queue.push(request)
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
    if (lastFailure instanceof HandshakeError && lastFailure.failure !== 'loading') return lastFailure
    const outage = this.clock.now - breaker.openSince
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
    for (const connection of this.underway) connection.close('pool-closed', new ClosedError())
  }

  private pump(): void {
    while (!this.closed && this.queue.length > 0) {
      const wait = this.breaker.delay(this.clock.refresh())
      if (wait > 0) {
        if (wait !== Number.POSITIVE_INFINITY) this.wakeIn(wait)
        return
      }
      if (this.dialing >= this.options.dialConcurrency) return
      this.breaker.begin()
      void this.attempt(this.queue.shift()!)
    }
  }

  private wakeIn(milliseconds: number): void {
    if (this.timer !== undefined) return
    this.timer = setTimeout(() => {
      this.timer = undefined
      this.pump()
    }, milliseconds)
  }

  private async attempt(request: DialRequest): Promise<void> {
    this.dialing++
    try {
      const connection = await this.dial(this.options.connectTimeoutMs)
      this.dialing--
      connection.owner = request.owner
      request.granted(connection)
    } catch (error) {
      this.dialing--
      const failure = error as CenoteError
      if (this.closed || (failure instanceof HandshakeError && failure.failure !== 'loading')) request.refused(failure)
      else this.queue.unshift(request)
    }
    this.pump()
  }

  /**
   * One dial with handshake, past the queue but told to the breaker.
   * @throws CenoteError saying what was refused, and by whom
   */
  async dial(timeoutMs: number): Promise<Connection> {
    this.counters.dialAttempts++
    try {
      const connection = await this.open(timeoutMs)
      this.breaker.success()
      this.lastFailure = undefined
      return connection
    } catch (error) {
      const failure = isCenoteError(error) ? error : new ConnectionError('Dialling failed', { cause: error })
      this.counters.dialFailures++
      this.counters.lastDialError = failure.message
      this.counters.lastError = failure.message
      this.lastFailure = failure
      this.breaker.failure(this.clock.refresh(), failure instanceof HandshakeError ? REFUSED_DELAY_MS : 0)
      if (!this.closed) this.observer.onDialFailed(failure)
      throw failure
    }
  }

  private async open(timeoutMs: number): Promise<Connection> {
    const endpoint = await this.topology.endpoint()
    const handshake = await this.handshakeOptions()
    if (this.closed) throw new ClosedError()
    return new Promise((resolve, reject) => {
      const owner: ConnectionOwner = {
        onErrorReply: (_connection, command, error) => command.fail(error),
        onPush: () => undefined,
        onClosed: (_connection, _reason, error, leftovers) => {
          clearTimeout(timer)
          this.underway.delete(connection)
          for (let command = leftovers.written ?? leftovers.unsent; command !== undefined; ) {
            const next = command.next
            command.fail(error)
            command = next
          }
          reject(error)
        },
      }
      const connection = new Connection(
        endpoint,
        {
          tls: this.options.tls,
          keepAliveMs: this.options.keepAlive,
          family: this.options.family,
          noDelay: this.options.noDelay,
        },
        { mapping: this.options.replyMapping, stringNumbers: this.options.stringNumbers },
        this.clock,
        this.counters,
        owner,
      )
      this.underway.add(connection)
      const fail = (reason: CloseReason, error: CenoteError) => connection.close(reason, error)
      const timer = setTimeout(() => {
        fail(
          'connect-timeout',
          new ConnectionError(
            `No usable connection to ${this.topology.describe()} within ${timeoutMs} ms; check that the address is right and the server answers`,
            { code: 'CENOTE_CONNECT_TIMEOUT' },
          ),
        )
      }, timeoutMs)
      connection.whenConnected(() => {
        performHandshake(connection, handshake, () => clearTimeout(timer)).then(
          () => {
            clearTimeout(timer)
            this.underway.delete(connection)
            resolve(connection)
          },
          (error: CenoteError) => fail('handshake-failed', error),
        )
      })
    })
  }

  private async handshakeOptions(): Promise<HandshakeOptions> {
    const { options } = this
    const password = typeof options.password === 'function' ? await options.password() : options.password
    return {
      protocol: options.protocol,
      username: options.username,
      password,
      database: options.db,
      connectionName: options.connectionName,
      setInfo: true,
      readOnly: false,
    }
  }
}
