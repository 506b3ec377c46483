import type { ResolvedOptions } from '../config/options.js'
import type { LoopClock } from '../connection/clock.js'
import {
  type Command,
  IDEMPOTENT,
  INTERNAL,
  REFUSED,
  SETTLED,
  TRANSACTION,
  WAITING,
  WRITTEN,
} from '../connection/command.js'
import type { Connection } from '../connection/connection.js'
import {
  AbortedError,
  type CenoteError,
  ClosedError,
  CommandTimeoutError,
  ConnectionError,
  OutcomeUnknownError,
  type ReplyError,
} from '../errors.js'
import { callFlags, FLAG, isReadOnlyCall } from '../metadata/lookup.js'
import type { Counters } from '../observe/counters.js'
import { backoffDelay } from '../resilience/backoff.js'
import { RetryBudget } from '../resilience/retry-budget.js'

/** Rejections that happen before the command runs, so sending it again cannot run it twice. */
const BEFORE_EXECUTION = new Set(['LOADING', 'TRYAGAIN', 'CLUSTERDOWN', 'MASTERDOWN', 'READONLY', 'NOAUTH', 'NOSCRIPT'])
/** Commands whose arguments are secrets; they never appear on an error. */
const SECRET = new Set(['auth', 'hello', 'migrate', 'acl', 'config'])

/** Whether a command of unknown outcome may be sent again. Looked up only when something failed. */
export function isRepeatable(command: Command): boolean {
  return (command.flags & IDEMPOTENT) !== 0 || isReadOnlyCall(command.spec, command.args)
}

function isCertainlyNotRun(command: Command): boolean {
  return command.attempts === 0 || (command.stage === WAITING && (command.flags & REFUSED) !== 0)
}

/** Says what becomes of commands that did not simply succeed, and counts it. No queue and no socket in here. */
export class Judge {
  readonly retryBudget: RetryBudget
  private creditedReplies = 0

  constructor(
    private readonly options: ResolvedOptions,
    private readonly counters: Counters,
    private readonly clock: LoopClock,
    private readonly server: string,
  ) {
    this.retryBudget = new RetryBudget(options.retry.budget)
  }

  fail(command: Command, error: CenoteError): void {
    if (command.stage === SETTLED) return
    this.counters.onFailure(error.outcome)
    command.fail(error)
  }

  reject(command: Command, error: ReplyError): void {
    if (command.stage === SETTLED) return
    this.counters.onFailure('rejected')
    this.counters.latency.record(this.clock.now - command.startedAt)
    attachCommand(error, command)
    ;(error as { attempts: number }).attempts = command.attempts
    command.fail(error)
  }

  /** Ms until a rejected command may be sent again, or undefined when the rejection stands. */
  retryDelayAfter(command: Command, error: ReplyError): number | undefined {
    if (!BEFORE_EXECUTION.has(error.kind) || (command.flags & (TRANSACTION | INTERNAL)) !== 0) return undefined
    if (command.attempts >= this.options.retry.attempts) return undefined
    if (error.kind === 'NOAUTH' && this.options.password === undefined) return undefined
    const delay = backoffDelay(this.options.retry, command.attempts)
    if (this.clock.now + delay >= command.deadline || !this.takeRetry()) return undefined
    return delay
  }

  /** A written command lost its connection: true when it may be sent again, otherwise it is settled here. */
  survivesLoss(command: Command, cause: CenoteError): boolean {
    if (command.stage === SETTLED) return false
    if ((command.flags & INTERNAL) !== 0) {
      command.fail(cause)
      return false
    }
    const repeatable = (command.flags & TRANSACTION) === 0 && isRepeatable(command)
    if (repeatable && command.attempts < this.options.retry.attempts && this.takeRetry()) {
      command.stage = WAITING
      command.flags &= ~REFUSED
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

  private takeRetry(): boolean {
    this.retryBudget.earn(this.counters.ok - this.creditedReplies)
    this.creditedReplies = this.counters.ok
    if (!this.retryBudget.take()) return false
    this.counters.retried++
    return true
  }
}

const name = (command: Command): string => command.spec.upperName

/** ioredis puts the command on its reply errors; not enumerable here, so that logging an error shows no values. */
export function attachCommand(error: ReplyError, command: Command): void {
  const secret = SECRET.has(command.spec.name) || (callFlags(command.spec, command.args) & FLAG.NO_AUTH) !== 0
  Object.defineProperty(error, 'command', {
    value: { name: command.spec.name, args: secret ? ['[hidden]'] : command.args.map(String) },
    enumerable: false,
    configurable: true,
    writable: true,
  })
}
