import type { ResolvedOptions } from '../config/options.js'
import { type LoopClock, TICK_MS } from '../connection/clock.js'
import { approximateBytes, type Command, SETTLED } from '../connection/command.js'
import type { Connection } from '../connection/connection.js'
import { OverloadedError } from '../errors.js'
import { Admission } from '../resilience/admission.js'

/** While no more than this part of the limit is taken, a batch that is larger than the limit goes through by itself. */
const QUIET = 1 / 20

/**
 * Bounds what a lane has accepted and not yet had answered: by count, by age of the replies, by bytes. A batch passes
 * or is refused as a whole.
 */
export class Backlog {
  private readonly admission: Admission
  /** Commands of an outsized batch, which are not held against the others. */
  private outsized = 0
  /** Bytes accepted while the socket took none; counted only then, so that commands that flow cost nothing. */
  private bytes = 0
  private countedAt = 0

  constructor(
    private readonly options: Pick<ResolvedOptions, 'maxQueuedCommands' | 'maxQueuedBytes' | 'commandTimeoutMs'>,
    private readonly clock: LoopClock,
  ) {
    this.admission = new Admission(options.maxQueuedCommands, options.commandTimeoutMs)
  }

  /** Commands that may be outstanding on the connection right now. */
  get limit(): number {
    return this.admission.limit + this.outsized
  }

  /** Asked when a limit may be reached; undefined lets the commands pass, all of them. */
  admit(connection: Connection, commands: readonly Command[]): OverloadedError | undefined {
    const count = connection.inFlight + connection.queued
    if (!this.fits(count, commands, this.limit)) {
      return this.refuse(commands, `${count} commands wait for replies`, connection)
    }
    if (!connection.congested) return undefined
    if (connection.queued === 0) this.bytes = 0
    const { maxQueuedBytes } = this.options
    const more = bytesOf(commands)
    // What waits may have been sent meanwhile; and a single command passes however large it is.
    const full = () => this.bytes >= maxQueuedBytes || (commands.length > 1 && this.bytes + more > maxQueuedBytes)
    if (full()) this.count(connection)
    if (full())
      return this.refuse(commands, `${this.bytes} bytes wait to be sent and the server takes no more`, connection)
    this.bytes += more
    return undefined
  }

  private fits(count: number, commands: readonly Command[], limit: number): boolean {
    const more = commands.length
    if (count + more <= limit) return true
    if (more === 1 || count > limit * QUIET || bytesOf(commands) > this.options.maxQueuedBytes) return false
    this.outsized = more
    return true
  }

  /** What was sent since no longer counts; looked up at most once per tick, because it walks the queue. */
  private count(connection: Connection): void {
    if (this.clock.now - this.countedAt < TICK_MS) return
    this.countedAt = this.clock.now
    this.bytes = 0
    connection.forEach((command, written) => {
      if (!written && command.stage !== SETTLED) this.bytes += approximateBytes(command)
    })
  }

  /** For commands that wait while there is no connection. */
  admitParked(
    parked: { readonly count: number; readonly bytes: number },
    commands: readonly Command[],
  ): OverloadedError | undefined {
    const { maxQueuedCommands, maxQueuedBytes } = this.options
    if (this.fits(parked.count, commands, maxQueuedCommands + this.outsized) && parked.bytes < maxQueuedBytes) {
      if (commands.length === 1 || parked.bytes + bytesOf(commands) <= maxQueuedBytes) return undefined
    }
    return this.refuse(commands, `${parked.count} commands (${parked.bytes} bytes) already wait for a connection`)
  }

  tick(connection: Connection): void {
    const { oldest } = connection
    const age = oldest === undefined ? undefined : this.clock.now - oldest.startedAt
    this.admission.observe(connection.answered, age, TICK_MS)
    if (this.outsized > 0 && connection.inFlight + connection.queued < this.admission.limit) this.outsized = 0
  }

  /** Another connection starts with what was parked. */
  reset(): void {
    this.bytes = 0
    this.admission.restart()
  }

  private refuse(commands: readonly Command[], what: string, connection?: Connection): OverloadedError {
    const { maxQueuedCommands, maxQueuedBytes, commandTimeoutMs } = this.options
    const { limit } = this.admission
    const adapted =
      limit < maxQueuedCommands
        ? `, lowered to ${limit} because replies take longer than half of commandTimeoutMs (${commandTimeoutMs} ms)`
        : ''
    const age = connection?.oldest === undefined ? 0 : this.clock.now - connection.oldest.startedAt
    const retryAfterMs = Math.round(Math.min(5_000, Math.max(50, age)))
    const who =
      commands.length === 1
        ? `${commands[0]!.spec.upperName} was refused`
        : `A batch of ${commands.length} commands was refused as a whole and nothing of it was sent`
    const message = `${who}: ${what}. Limits: ${maxQueuedCommands} commands (maxQueuedCommands${adapted}), ${maxQueuedBytes} bytes (maxQueuedBytes). Try again in ${retryAfterMs} ms, or send less at a time`
    // Refusing must cost less than serving, or an overloaded process spends its time on refusals.
    const depth = Error.stackTraceLimit
    Error.stackTraceLimit = 0
    try {
      return new OverloadedError(message, retryAfterMs)
    } finally {
      Error.stackTraceLimit = depth
    }
  }
}

function bytesOf(commands: readonly Command[]): number {
  return commands.reduce((bytes, command) => bytes + approximateBytes(command), 0)
}
