import type { ResolvedOptions } from '../config/options.js'
import type { LoopClock } from '../connection/clock.js'
import {
  ASKING,
  type Command,
  IDEMPOTENT,
  INTERNAL,
  REFUSED,
  SETTLED,
  TRANSACTION,
  WAITING,
  WRITTEN,
  wholeOf,
} from '../connection/command.js'
import type { Connection } from '../connection/connection.js'
import {
  AbortedError,
  type CenoteError,
  ClosedError,
  CommandTimeoutError,
  ConnectionError,
  OutcomeUnknownError,
  ReplyError,
} from '../errors.js'
import { isReadOnlyCall, mayForgeErrors } from '../metadata/lookup.js'
import type { Counters } from '../observe/counters.js'
import { backoffDelay } from '../resilience/backoff.js'
import type { RetryBudget } from '../resilience/retry-budget.js'

/** Rejections that happen before the command runs, so sending it again cannot run it twice. */
const BEFORE_EXECUTION = new Set(['LOADING', 'TRYAGAIN', 'CLUSTERDOWN', 'MASTERDOWN', 'READONLY', 'NOAUTH'])

/** Whether a command of unknown outcome may be sent again. Looked up only when something failed. */
export function isRepeatable(command: Command): boolean {
  if ((command.flags & IDEMPOTENT) !== 0) return true
  return (command.flags & TRANSACTION) === 0 && isReadOnlyCall(command.spec, command.args)
}

function isCertainlyNotRun(command: Command): boolean {
  return command.attempts === 0 || (command.stage === WAITING && (command.flags & REFUSED) !== 0)
}

/** Says what becomes of commands that did not simply succeed, and counts it. No queue and no socket in here. */
export class Judge {
  private creditedReplies = 0
  /** Sends that another server, or the same one later, was to take: they do not count as attempts. */
  private readonly forgiven = new WeakMap<Command, number>()

  constructor(
    private readonly options: ResolvedOptions,
    private readonly counters: Counters,
    private readonly clock: LoopClock,
    private readonly server: string,
    private readonly retryBudget: RetryBudget,
  ) {}

  fail(command: Command, error: CenoteError): void {
    if (command.stage === SETTLED) return
    this.counters.onFailure(error.outcome)
    command.fail(error)
  }

  /** All of a batch, for the same reason. */
  failAll(commands: readonly Command[], error: CenoteError): void {
    for (const command of commands) this.fail(command, error)
  }

  reject(command: Command, error: ReplyError): void {
    if (command.stage === SETTLED) return
    this.counters.onFailure('rejected')
    this.counters.latency.record(this.clock.now - command.startedAt)
    error.concerns(command)
    ;(error as { attempts: number }).attempts = command.attempts
    command.fail(error)
  }

  /**
   * Ms until what the server refused may be sent again, all of it if it is a transaction; undefined when the refusal
   * stands. Only a reply that the server alone can have written proves that nothing ran: a script may say anything.
   */
  retryDelayAfter(command: Command, error: ReplyError): number | undefined {
    if ((command.flags & INTERNAL) !== 0 || command.attempts >= this.options.retry.attempts) return undefined
    if (!this.ranNothing(command, error)) return undefined
    const delay = backoffDelay(this.options.retry, command.attempts)
    if (this.clock.now + delay >= command.deadline || !this.takeRetry()) return undefined
    return delay
  }

  private ranNothing(command: Command, error: ReplyError): boolean {
    if ((command.flags & TRANSACTION) === 0) return this.isRefusal(error) && !mayForgeErrors(command.spec)
    const { queueErrors = [] } = command.batch!
    // Commands between MULTI and EXEC are only queued, scripts too, so what is said of them is the server's own.
    return error.kind === 'EXECABORT' && queueErrors.length > 0 && queueErrors.every((one) => this.isRefusal(one))
  }

  private isRefusal(error: Error): boolean {
    if (!(error instanceof ReplyError) || !BEFORE_EXECUTION.has(error.kind)) return false
    return error.kind !== 'NOAUTH' || this.options.password !== undefined || this.options.username !== undefined
  }

  /** What was refused, or never ran for another reason, becomes fit to be sent again: the whole of what it belongs to. */
  restart(command: Command, refused: boolean): readonly Command[] {
    const whole = wholeOf(command)
    if (whole.length > 1) command.batch?.restart?.()
    for (const member of whole) {
      member.stage = WAITING
      member.flags &= ~ASKING
      // A refusal makes nothing certain that an earlier loss has left open.
      if (!refused) member.flags &= ~REFUSED
      else if (member.attempts <= 1) member.flags |= REFUSED
    }
    return whole
  }

  /** Refused through no fault of its own or of its server. */
  forgive(commands: readonly Command[]): void {
    for (const command of commands) this.forgiven.set(command, (this.forgiven.get(command) ?? 0) + 1)
  }

  /** A command lost its connection: true when it, and all it belongs to, may be sent again; otherwise settled here. */
  survivesLoss(command: Command, cause: CenoteError): boolean {
    if ((command.flags & INTERNAL) !== 0) {
      command.fail(cause)
      return false
    }
    const whole = wholeOf(command)
    // The server drops a MULTI whose EXEC never came.
    if (whole[whole.length - 1]!.stage === WAITING) {
      if (whole.length > 1) this.restart(command, true)
      return true
    }
    const attempts = command.attempts - (this.forgiven.get(command) ?? 0)
    if (isRepeatable(command) && attempts < this.options.retry.attempts && this.takeRetry()) {
      this.restart(command, false)
      return true
    }
    this.loseWritten(command, cause)
    return false
  }

  /** Given up together with its connection or its pool. */
  abandon(command: Command, cause: CenoteError): void {
    if (isCertainlyNotRun(command)) this.neverSent(command, cause)
    else this.loseWritten(command, cause)
  }

  /** Its caller no longer wants it. A written command keeps its place, so that its late reply reaches nobody. */
  abort(command: Command, reason: unknown): void {
    for (const member of wholeOf(command)) this.abortOne(member, reason)
  }

  private abortOne(command: Command, reason: unknown): void {
    if (command.stage === SETTLED) return
    const certain = isCertainlyNotRun(command)
    const advice = certain
      ? 'It was not sent'
      : isRepeatable(command)
        ? 'It only reads'
        : 'It was written and runs once or not at all'
    const message = `${name(command)} was aborted by its signal. ${advice}`
    this.fail(
      command,
      new AbortedError(certain ? 'not-sent' : 'unknown', message, { attempts: command.attempts, cause: reason }),
    )
  }

  loseWritten(command: Command, cause: CenoteError): void {
    if (command.stage === SETTLED) return
    if (cause instanceof ClosedError) {
      // Its owner closed the pool and needs no advice; libraries match on this text.
      this.fail(command, new OutcomeUnknownError(cause.message, { attempts: command.attempts, cause }))
      return
    }
    const harmless = isRepeatable(command)
    const advice = harmless
      ? 'It only reads, so it can be asked again'
      : 'It ran once or not at all: check the data, or mark such commands idempotent to have them sent again'
    this.fail(
      command,
      new OutcomeUnknownError(
        `${name(command)} was written to ${this.server} and its reply never came (${cause.message}). ${advice}`,
        { attempts: command.attempts, cause },
      ),
    )
  }

  neverSent(command: Command, cause: CenoteError): void {
    this.fail(
      command,
      cause.outcome === 'not-sent'
        ? cause
        : new ConnectionError(`${name(command)} was not sent: ${cause.message}`, { attempts: command.attempts, cause }),
    )
  }

  /** The deadline of a command passed while it waited in a queue or for its reply. */
  expire(command: Command, connection: Connection | undefined, lastError: string | undefined): void {
    const waited = Math.round(this.clock.now - command.startedAt)
    const lag = Math.round(this.clock.lagMs)
    let message: string
    if (command.stage === WRITTEN && connection !== undefined) {
      const silence = Math.round(this.clock.now - connection.lastReadAt)
      message =
        `Command timed out: ${name(command)} got no reply from ${this.server} in ${waited} ms ` +
        `(replies owed: ${connection.inFlight}, last byte received ${silence} ms ago, event loop lag ${lag} ms). ` +
        (isRepeatable(command)
          ? 'It only reads, so it can be asked again'
          : 'It ran once or not at all: check the data before sending it again')
    } else {
      message =
        `Command timed out: ${name(command)} was not sent within ${waited} ms because ${this.server} ` +
        `${connection === undefined ? 'is not reachable' : 'does not take more bytes'} ` +
        `(${lastError === undefined ? 'no error so far' : `last error: ${lastError}`}, event loop lag ${lag} ms)`
    }
    const outcome = isCertainlyNotRun(command) ? 'not-sent' : 'unknown'
    this.fail(command, new CommandTimeoutError(outcome, message, lag, { attempts: command.attempts }))
  }

  /** The deadline of a command passed that another client was asked to run. */
  expireElsewhere(command: Command): void {
    const waited = Math.round(this.clock.now - command.startedAt)
    const lag = Math.round(this.clock.lagMs)
    const message = `Command timed out: the fallback client did not answer ${name(command)} within ${waited} ms (event loop lag ${lag} ms)`
    this.fail(command, new CommandTimeoutError('unknown', message, lag, { attempts: command.attempts }))
  }

  private takeRetry(): boolean {
    this.retryBudget.earn(this.counters.ok - this.creditedReplies)
    this.creditedReplies = this.counters.ok
    if (!this.retryBudget.take()) return false
    this.counters.retried++
    return true
  }
}

const name = (command: Command): string => command.spec.upperName
