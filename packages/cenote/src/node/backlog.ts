import type { ResolvedOptions } from '../config/options.js'
import { type LoopClock, TICK_MS } from '../connection/clock.js'
import { approximateBytes, type Command, SETTLED } from '../connection/command.js'
import type { Connection } from '../connection/connection.js'
import { OverloadedError } from '../errors.js'
import { Admission } from '../resilience/admission.js'
import type { CommandQueue } from './command-queue.js'

/** Bounds what a lane has accepted and not yet had answered: by count, by age of the replies, by bytes. */
export class Backlog {
  private readonly admission: Admission
  /** Bytes accepted while the socket took none; counted only then, so that commands that flow cost nothing. */
  private bytes = 0
  private countedAt = 0

  constructor(
    private readonly options: ResolvedOptions,
    private readonly clock: LoopClock,
  ) {
    this.admission = new Admission(options.maxQueuedCommands, options.commandTimeoutMs)
  }

  /** Commands that may be outstanding on the connection right now. */
  get limit(): number {
    return this.admission.limit
  }

  /** Asked when a limit may be reached; undefined lets the command pass. */
  admit(connection: Connection, command: Command): OverloadedError | undefined {
    const count = connection.inFlight + connection.queued
    if (count >= this.limit) return this.refuse(command, `${count} commands wait for replies`, connection)
    if (!connection.congested) return undefined
    if (connection.queued === 0) this.bytes = 0
    if (this.bytes < this.options.maxQueuedBytes || this.count(connection) < this.options.maxQueuedBytes) {
      this.bytes += approximateBytes(command)
      return undefined
    }
    return this.refuse(command, `${this.bytes} bytes wait to be sent and the server takes no more`, connection)
  }

  /** What was sent since no longer counts; looked up at most once per tick, because it walks the queue. */
  private count(connection: Connection): number {
    if (this.clock.now - this.countedAt < TICK_MS) return this.bytes
    this.countedAt = this.clock.now
    this.bytes = 0
    connection.forEach((command, written) => {
      if (!written && command.stage !== SETTLED) this.bytes += approximateBytes(command)
    })
    return this.bytes
  }

  admitParked(parked: CommandQueue, command: Command): OverloadedError | undefined {
    const { maxQueuedCommands, maxQueuedBytes } = this.options
    if (parked.count < maxQueuedCommands && parked.bytes < maxQueuedBytes) return undefined
    return this.refuse(command, `${parked.count} commands (${parked.bytes} bytes) already wait for a connection`)
  }

  tick(connection: Connection): void {
    const { oldest } = connection
    const age = oldest === undefined ? undefined : this.clock.now - oldest.startedAt
    this.admission.observe(connection.answered, age, TICK_MS)
  }

  /** Another connection starts with what was parked. */
  reset(): void {
    this.bytes = 0
    this.admission.restart()
  }

  private refuse(command: Command, what: string, connection?: Connection): OverloadedError {
    const { maxQueuedCommands, maxQueuedBytes, commandTimeoutMs } = this.options
    const adapted =
      this.limit < maxQueuedCommands
        ? `, lowered to ${this.limit} because replies take longer than half of commandTimeoutMs (${commandTimeoutMs} ms)`
        : ''
    const age = connection?.oldest === undefined ? 0 : this.clock.now - connection.oldest.startedAt
    const retryAfterMs = Math.round(Math.min(5_000, Math.max(50, age)))
    const message = `${command.spec.upperName} was refused: ${what}. Limits: ${maxQueuedCommands} commands (maxQueuedCommands${adapted}), ${maxQueuedBytes} bytes (maxQueuedBytes). Try again in ${retryAfterMs} ms, or send less at a time`
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
