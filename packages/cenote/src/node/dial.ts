import type { ResolvedOptions } from '../config/options.js'
import type { Alarm, LoopClock } from '../connection/clock.js'
import type { Connection, ReplyObserver } from '../connection/connection.js'
import { HandshakeError } from '../connection/handshake.js'
import type { Endpoint } from '../connection/socket.js'
import { type CenoteError, ClosedError, ConnectionError } from '../errors.js'
import { type Address, describeWithAddress } from './address.js'
import { Attempt, HUNG_UP, noTls } from './attempt.js'
import type { Credentials } from './credentials.js'
import { speaksPlainly } from './plain-look.js'
import { Refusals } from './refusals.js'
import { TimeLimit } from './time-limit.js'

/** An address that has not accepted by then gets company by the next one, ms; RFC 8305 recommends a quarter second. */
const STAGGER_MS = 250
/**
 * All addresses were tried and none has accepted: asked anew so often, ms. The kernel repeats a lost packet after 1, 3
 * and 7 seconds; a fresh attempt finds a path that has come back sooner.
 */
const AGAIN_MS = 1_000
/** Sockets that wait to be accepted at the same time. */
const MAX_PENDING = 4

/** Codes of dials that ran out of time: nobody accepted, or somebody accepted and said nothing. */
export const NOT_ACCEPTED = 'CENOTE_CONNECT_TIMEOUT'
export const NO_GREETING = 'CENOTE_HANDSHAKE_TIMEOUT'

/** Opens one connection within one budget of time: name, password, TCP, TLS, greeting, loading. */
export class Dial {
  readonly refusals = new Refusals()
  private readonly underWay = new Set<TimeLimit>()

  constructor(
    private readonly options: ResolvedOptions,
    private readonly address: Address,
    private readonly credentials: Credentials,
    private readonly clock: LoopClock,
    private readonly observer: ReplyObserver,
    private readonly onUnwantedCredentials: (what: string) => void,
  ) {}

  /**
   * A connection that is ready for commands, within `connectTimeoutMs`.
   * @param reachMs less for what is up to the server; the name and the password are not
   * @throws CenoteError saying what was refused, and by whom; {@link Evidence} tells what it proves
   */
  async open(reachMs = Number.POSITIVE_INFINITY): Promise<Connection> {
    const timeoutMs = this.options.connectTimeoutMs
    const time = this.limit(timeoutMs)
    const tooSlow = (what: string) => () =>
      new ConnectionError(`No connection to ${this.address}: ${what} took too long (over ${timeoutMs} ms)`)
    try {
      const endpoints = await time.limit(this.address.endpoints(), tooSlow('resolving the name'))
      const password = await time.limit(this.credentials.password(), tooSlow('the password function'))
      if (reachMs >= timeoutMs) return await this.race(endpoints, password, time)
      const less = this.limit(reachMs)
      try {
        return await this.race(endpoints, password, less)
      } finally {
        this.release(less)
      }
    } finally {
      this.release(time)
    }
  }

  private limit(milliseconds: number): TimeLimit {
    const time = new TimeLimit(this.clock, milliseconds, true)
    this.underWay.add(time)
    return time
  }

  private release(time: TimeLimit): void {
    this.underWay.delete(time)
    time.end()
  }

  private async race(
    endpoints: readonly Endpoint[],
    password: string | undefined,
    time: TimeLimit,
  ): Promise<Connection> {
    const race = new Race(
      endpoints,
      this.clock,
      time,
      (endpoint, protocol) => new Attempt(endpoint, { ...this.options, protocol }, password, this.clock, this.observer),
    )
    const { connection, greeting } = await race.run(this.options.protocol)
    this.address.worked(connection.endpoint)
    if (greeting.unwantedCredentials !== undefined) this.onUnwantedCredentials(greeting.unwantedCredentials)
    return connection
  }

  /** Ends every dial under way, whatever it waits for. */
  cut(): void {
    for (const time of this.underWay) time.cut(new ClosedError())
  }
}

type Winner = { readonly connection: Connection; readonly greeting: { unwantedCredentials: string | undefined } }

/**
 * Attempts at the addresses of one server, a quarter second apart, until one of them accepts. From then on there is one
 * connection: the others are given up before the server has seen them.
 */
class Race {
  private readonly attempts = new Set<Attempt>()
  private started = 0
  private stagger: Alarm | undefined
  private halfTime: Alarm | undefined
  private failure: CenoteError | undefined
  private accepted: Attempt | undefined
  private over = false
  private resolve!: (winner: Winner) => void
  private reject!: (error: Error) => void

  constructor(
    private readonly endpoints: readonly Endpoint[],
    private readonly clock: LoopClock,
    private readonly time: TimeLimit,
    private readonly open: (endpoint: Endpoint, protocol: 2 | 3) => Attempt,
  ) {}

  run(protocol: 2 | 3): Promise<Winner> {
    return new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
      this.time.onUp((error) => this.end(error ?? this.timeUp()))
      this.halfTime = this.clock.alarm(this.time.milliseconds / 2, () => this.onHalfTime(protocol))
      this.startNext(protocol)
    })
  }

  private startNext(protocol: 2 | 3): void {
    if (this.attempts.size < MAX_PENDING) {
      this.start(this.endpoints[this.started++ % this.endpoints.length]!, protocol)
    }
    if (this.over || this.accepted !== undefined) return
    this.stagger?.cancel()
    const wait = this.started < this.endpoints.length ? STAGGER_MS : AGAIN_MS
    this.stagger = this.clock.alarm(wait, () => this.startNext(protocol))
  }

  private start(endpoint: Endpoint, protocol: 2 | 3): void {
    let attempt: Attempt
    try {
      attempt = this.open(endpoint, protocol)
    } catch (error) {
      this.end(unusable(error))
      return
    }
    this.attempts.add(attempt)
    attempt.run({
      accepted: () => {
        this.accepted = attempt
        this.stagger?.cancel()
        for (const other of this.attempts) if (other !== attempt) this.giveUp(other)
      },
      ready: (greeting) => {
        this.attempts.delete(attempt)
        this.finish()
        this.resolve({ connection: attempt.connection, greeting })
      },
      failed: (error) => this.onFailed(attempt, error, protocol),
    })
  }

  private onFailed(attempt: Attempt, error: CenoteError, protocol: 2 | 3): void {
    if (!this.attempts.delete(attempt) || this.over) return
    if (this.accepted === attempt) this.accepted = undefined
    if (attempt.wasHungUpOn && protocol === 3) {
      // Some proxies hang up on HELLO; what they stand for may know the older words.
      this.start(attempt.connection.endpoint, 2)
      return
    }
    this.failure = error
    // A server that answers and refuses these credentials would refuse them at its other addresses too.
    if (error instanceof HandshakeError && error.failure === 'auth') this.end(error)
    else if (this.started < this.endpoints.length) this.startNext(protocol)
    else if (this.attempts.size === 0) this.end(error)
  }

  private end(error: Error): void {
    if (this.over) return
    this.finish()
    for (const attempt of [...this.attempts]) this.giveUp(attempt)
    this.reject(error)
  }

  /**
   * Somebody accepted and is silent to TLS, as a server that expects plain text is, which waits for the end of a line. One
   * look in plain text tells; if it shows nothing the other half of the time is left for a second try.
   */
  private onHalfTime(protocol: 2 | 3): void {
    const { accepted } = this
    if (accepted === undefined || !accepted.usesTls || accepted.connected) return
    const { endpoint } = accepted.connection
    this.accepted = undefined
    this.giveUp(accepted)
    void speaksPlainly(endpoint, this.clock, PLAIN_LOOK_MS).then((plainly) => {
      if (this.over) return
      if (plainly) this.end(noTls(accepted.where))
      else this.start(endpoint, protocol)
    })
  }

  private finish(): void {
    this.over = true
    this.stagger?.cancel()
    this.halfTime?.cancel()
  }

  private giveUp(attempt: Attempt): void {
    this.attempts.delete(attempt)
    attempt.giveUp()
  }

  private timeUp(): CenoteError {
    const { accepted } = this
    const waitedMs = Math.round(this.time.milliseconds)
    if (accepted?.loading === true) {
      return new HandshakeError(
        'loading',
        `The server at ${accepted.where} is still loading its data after ${waitedMs} ms; it is asked again`,
        undefined,
      )
    }
    if (accepted !== undefined) {
      return new ConnectionError(
        `${accepted.where} accepted a connection and did not answer within ${waitedMs} ms; the server is busy or paused, or it is not a Redis server, or it expects TLS`,
        { code: NO_GREETING },
      )
    }
    const where = [...new Set(this.endpoints.map(describeWithAddress))].join(', ')
    const last = this.failure === undefined ? '' : ` (${this.failure.message})`
    return new ConnectionError(
      `Nobody accepted a connection at ${where} within ${waitedMs} ms${last}; check that the address is right, the server runs and no firewall drops packets`,
      { code: NOT_ACCEPTED },
    )
  }
}

/** How long a server may take to answer in plain text, ms. */
const PLAIN_LOOK_MS = 300

/** Settings that no socket can be made with, a key that is no PEM for instance: no dial will ever succeed with them. */
function unusable(cause: unknown): CenoteError {
  const text = cause instanceof Error ? cause.message : String(cause)
  return new HandshakeError(
    'tls',
    `No connection can be opened with these settings: ${text}; check tls and host`,
    cause,
  )
}

/** What a dial that failed says of the server. */
export type Evidence = 'gone' | 'unreachable' | 'answered' | 'none'

/** Nobody listens there any more, unlike packets that merely vanish. */
const GONE = new Set(['ECONNREFUSED', 'ENOENT', 'ECONNRESET', 'EPIPE'])
const UNREACHABLE = new Set(['ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN'])

/** Nothing is concluded from a name or a password that could not be had, or from a fault of this process or its settings. */
export function evidenceOf(error: CenoteError): Evidence {
  if (error instanceof HandshakeError) return error.failure === 'tls' ? 'none' : 'answered'
  if (error.code === NO_GREETING) return 'answered'
  if (error.code === NOT_ACCEPTED || error.code === HUNG_UP) return 'unreachable'
  const code = (error.cause as NodeJS.ErrnoException | undefined)?.code ?? ''
  return GONE.has(code) ? 'gone' : UNREACHABLE.has(code) ? 'unreachable' : 'none'
}
