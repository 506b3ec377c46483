/**
 * What is certain about a command when its promise settles:
 * `ok` it ran; `rejected` the server refused it; `not-sent` it never left this process, so trying again
 * is safe; `unknown` it was written but its reply never came, so it ran zero times or once.
 */
export type Outcome = 'ok' | 'rejected' | 'not-sent' | 'unknown'

/** An outcome that an error can carry. */
export type FailureOutcome = Exclude<Outcome, 'ok'>

export interface ErrorContext {
  /** How often the command had been sent when it failed. */
  attempts?: number
  cause?: unknown
}

const brand: unique symbol = Symbol.for('cenote.error') as never

/**
 * Base of every error this package throws. `code` is stable across releases: match on it, or on the class.
 * Messages never contain passwords, tokens, keys' values or command arguments.
 */
export class CenoteError extends Error {
  readonly code: string
  readonly outcome: FailureOutcome
  readonly attempts: number

  constructor(code: string, outcome: FailureOutcome, message: string, context: ErrorContext = {}) {
    super(message, context.cause === undefined ? undefined : { cause: context.cause })
    this.code = code
    this.outcome = outcome
    this.attempts = context.attempts ?? 0
  }

  get [brand](): true {
    return true
  }

  static {
    CenoteError.prototype.name = 'CenoteError'
  }
}

/** True for any CenoteError, also one from another copy of this package in the same process. */
export function isCenoteError(error: unknown): error is CenoteError {
  return typeof error === 'object' && error !== null && (error as { [brand]?: true })[brand] === true
}

export interface FailedCommand {
  name: string
  args: string[]
}

/** What an error is about; put into words only when somebody asks. */
export interface Describable {
  describe(): FailedCommand
}

/**
 * The server answered with an error. `message` is the server's text, unchanged; `name` is `ReplyError` and
 * `command` names the command, as users of ioredis expect. It has no stack of its own: it comes from the wire.
 */
export class ReplyError extends CenoteError {
  declare previousErrors?: Error[]
  #about: Describable | undefined
  #command: FailedCommand | undefined

  constructor(message: string) {
    // A stack of the decoder tells nobody anything, and costs more than decoding the reply.
    const depth = Error.stackTraceLimit
    Error.stackTraceLimit = 0
    super('CENOTE_REPLY', 'rejected', message, replyContext)
    Error.stackTraceLimit = depth
  }

  /** First word of the server's text: `ERR`, `WRONGTYPE`, `READONLY`, … */
  get kind(): string {
    const end = this.message.indexOf(' ')
    return end < 0 ? this.message : this.message.slice(0, end)
  }

  /** The command it answers, arguments as text; those that are secrets hidden. Not enumerable, so logs show no values. */
  get command(): FailedCommand | undefined {
    this.#command ??= this.#about?.describe()
    return this.#command
  }

  set command(command: FailedCommand | undefined) {
    this.#command = command
  }

  /** @internal */
  concerns(about: Describable): void {
    this.#about = about
  }

  static {
    ReplyError.prototype.name = 'ReplyError'
  }
}
const replyContext: ErrorContext = { attempts: 1 }

/** Bytes that are not RESP, or break its limits. The connection is closed: a stream is never resynchronised. */
export class ProtocolError extends CenoteError {
  constructor(message: string) {
    super('CENOTE_PROTOCOL', 'unknown', message)
  }
  static {
    ProtocolError.prototype.name = 'ProtocolError'
  }
}

/** The server could not be reached, or refused the handshake. Nothing was sent. */
export class ConnectionError extends CenoteError {
  constructor(message: string, context?: ErrorContext & { code?: string }) {
    super(context?.code ?? 'CENOTE_CONNECTION', 'not-sent', message, context)
  }
  static {
    ConnectionError.prototype.name = 'ConnectionError'
  }
}

/**
 * The command was written and its connection was lost before the reply: it ran zero times or once.
 * Writes end here unless their caller marks them idempotent, because sending again could run them twice.
 */
export class OutcomeUnknownError extends CenoteError {
  constructor(message: string, context?: ErrorContext) {
    super('CENOTE_OUTCOME_UNKNOWN', 'unknown', message, context)
  }
  static {
    OutcomeUnknownError.prototype.name = 'OutcomeUnknownError'
  }
}

/** The deadline passed. `outcome` says whether the command had been written by then. */
export class CommandTimeoutError extends CenoteError {
  /** How late the event loop ran when the deadline fired, ms: large values mean this process was the slow party. */
  readonly loopLagMs: number

  constructor(outcome: FailureOutcome, message: string, loopLagMs: number, context?: ErrorContext) {
    super('CENOTE_COMMAND_TIMEOUT', outcome, message, context)
    this.loopLagMs = loopLagMs
  }
  static {
    CommandTimeoutError.prototype.name = 'CommandTimeoutError'
  }
}

/** The caller's AbortSignal fired. */
export class AbortedError extends CenoteError {
  constructor(outcome: FailureOutcome, message: string, context?: ErrorContext) {
    super('CENOTE_ABORTED', outcome, message, context)
  }
  static {
    AbortedError.prototype.name = 'AbortError'
  }
}

/** A queue is full. Refused at once, before anything was stored; try again after `retryAfterMs`. */
export class OverloadedError extends CenoteError {
  readonly retryAfterMs: number

  constructor(message: string, retryAfterMs: number) {
    super('CENOTE_OVERLOADED', 'not-sent', message)
    this.retryAfterMs = retryAfterMs
  }
  static {
    OverloadedError.prototype.name = 'OverloadedError'
  }
}

/** On a cluster: keys that have to be on one server belong to several slots. Nothing was sent. */
export class CrossSlotError extends CenoteError {
  /** The slots of the keys, each once. */
  readonly slots: readonly number[]

  constructor(what: string, slots: readonly number[]) {
    super(
      'CENOTE_CROSS_SLOT',
      'not-sent',
      `CROSSSLOT Keys in request don't hash to the same slot: ${what} has keys in ${slots.length} slots. Nothing was sent; ` +
        'give keys that belong together a common {tag}',
    )
    this.slots = slots
  }
  static {
    CrossSlotError.prototype.name = 'CrossSlotError'
  }
}

/** On a cluster: servers redirected a command to each other too often. It did not run. */
export class RedirectionError extends CenoteError {
  constructor(redirects: number, last: ReplyError, context?: ErrorContext) {
    super('CENOTE_REDIRECTIONS', 'rejected', `Too many Cluster redirections (${redirects}). Last error: ${last}`, {
      ...context,
      cause: last,
    })
  }
  static {
    RedirectionError.prototype.name = 'RedirectionError'
  }
}

/** One of several parts that a command was divided into on a cluster. */
export interface CommandPart {
  /** What it was for: keys, or `undefined` where all of a server was meant. */
  readonly keys: readonly (string | Buffer)[] | undefined
  /** `host:port`; undefined when it got to no server. */
  readonly server: string | undefined
  readonly outcome: 'ok' | FailureOutcome
  readonly error: Error | undefined
}

/** On a cluster: a command was divided over several servers, and not every part succeeded. `parts` says which. */
export class PartialError extends CenoteError {
  /** Not enumerable: it has keys. */
  declare readonly parts: readonly CommandPart[]

  constructor(what: string, parts: readonly CommandPart[]) {
    const failed = parts.filter(({ error }) => error !== undefined)
    const outcomes = new Set(failed.map(({ outcome }) => outcome))
    const [only] = outcomes
    // With some parts done, or lost, the whole is neither done nor undone.
    const outcome = failed.length === parts.length && outcomes.size === 1 ? (only as FailureOutcome) : 'unknown'
    super(
      'CENOTE_PARTIAL',
      outcome,
      `${failed[0]?.error?.message ?? 'failed'} (${what}: ${failed.length} of ${parts.length} parts failed, on ` +
        `${[...new Set(failed.map(({ server }) => server ?? 'no server'))].join(', ')}; see parts)`,
      { cause: failed[0]?.error },
    )
    Object.defineProperty(this, 'parts', { value: parts })
  }
  static {
    PartialError.prototype.name = 'PartialError'
  }
}

/** On a cluster: no server told which of them has which slots. The text begins as ioredis'. */
export class ClusterAllFailedError extends ConnectionError {
  /** What the server said that was asked last. */
  readonly lastNodeError: Error | undefined

  constructor(reasons: ReadonlyMap<string, Error>) {
    const all = [...reasons].map(([server, { message }]) => `${server}: ${message}`)
    const last = [...reasons.values()].at(-1)
    super(
      `Failed to refresh slots cache. No server told which slots it has (${all.join('; ') || 'none was reached'})`,
      {
        cause: last,
      },
    )
    this.lastNodeError = last
  }
  static {
    ClusterAllFailedError.prototype.name = 'ClusterAllFailedError'
  }
}

/** One holder of a lease, as listed by {@link AcquireTimeoutError}. */
export interface LeaseHolder {
  readonly label: string
  readonly heldMs: number
  /** Where it was borrowed; only while leak detection is on. */
  readonly stack: string | undefined
}

export interface AcquireTimeoutDetails {
  readonly waitedMs: number
  readonly total: number
  readonly idle: number
  readonly leased: number
  readonly dialing: number
  readonly waiting: number
  readonly max: number
  readonly holders: readonly LeaseHolder[]
  readonly lastDialError: string | undefined
  readonly loopLagMs: number
}

/** No lease became free in time. The message and the fields name the culprit. */
export class AcquireTimeoutError extends CenoteError {
  readonly details: AcquireTimeoutDetails

  constructor(message: string, details: AcquireTimeoutDetails) {
    super('CENOTE_ACQUIRE_TIMEOUT', 'not-sent', message)
    this.details = details
  }
  static {
    AcquireTimeoutError.prototype.name = 'AcquireTimeoutError'
  }
}

/** The pool or the lease was closed. The text is ioredis', because libraries match on it. */
export class ClosedError extends CenoteError {
  constructor(message = 'Connection is closed.', outcome: FailureOutcome = 'not-sent', context?: ErrorContext) {
    super('CENOTE_CLOSED', outcome, message, context)
  }
  static {
    ClosedError.prototype.name = 'ClosedError'
  }
}

/** A lease was used after its release. */
export class LeaseReleasedError extends CenoteError {
  constructor() {
    super(
      'CENOTE_LEASE_RELEASED',
      'not-sent',
      'This lease was already released; acquire a new one with pool.acquire() or stay inside withConnection()',
    )
  }
  static {
    LeaseReleasedError.prototype.name = 'LeaseReleasedError'
  }
}

/** An option is unknown, contradictory or out of range. The message names the key and what is accepted. */
export class ConfigError extends CenoteError {
  constructor(message: string) {
    super('CENOTE_CONFIG', 'not-sent', message)
  }
  static {
    ConfigError.prototype.name = 'ConfigError'
  }
}
