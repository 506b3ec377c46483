import type { Alarm } from '../connection/clock.js'
import { BLOCKING, type Command, SETTLED, whenSettled } from '../connection/command.js'
import type { Connection } from '../connection/connection.js'
import { newPing, sendInternal, sendInternalCommand } from '../connection/internal.js'
import { AbortedError, type CenoteError, ConnectionError, isCenoteError, type ReplyError } from '../errors.js'
import type { Fallback } from './fallback.js'
import type { LeasedConnection } from './leased-connection.js'
import type { Leases } from './leases.js'
import type { Means } from './means.js'
import type { Waiter } from './waiters.js'

/** How long an aborted blocking command may take to come back from the server before its connection is closed, ms. */
const UNBLOCK_GRACE_MS = 500

export interface RunOptions {
  readonly label: string
  /** A PING goes first: WAIT asks about the writes known to its own connection. */
  readonly afterPing?: boolean
  /** Asked about what the server refuses; true: it is somebody else's now. */
  readonly refused?: (command: Command, error: ReplyError) => boolean
}

/** Commands on their way to, or on, a connection of their own. */
interface Run {
  readonly commands: readonly Command[]
  waiter: Waiter | undefined
  lease: LeasedConnection | undefined
  outstanding: number
  /** CLIENT UNBLOCK is under way to the server; until it has arrived the connection is not lent again. */
  unblocking: Promise<void> | undefined
}

/**
 * The one way to use a connection alone: commands wait for one, are sent there one after the other, and when the last is
 * settled, however that came, the connection goes back.
 */
export class Exclusive {
  private readonly runs = new Map<Command, Run>()

  /** @param messenger a connection that is free to carry CLIENT UNBLOCK */
  constructor(
    private readonly means: Means,
    private readonly leases: Leases,
    private readonly fallback: Fallback | undefined,
    private readonly messenger: () => Connection | undefined,
  ) {}

  /**
   * Commands that do not block have their deadline from now on, the wait for a connection included; those that do get
   * theirs when they are sent, because the server may keep them waiting for as long as they asked.
   */
  run(all: readonly Command[], { label, afterPing = false, refused }: RunOptions): void {
    const { clock, options } = this.means
    // Given up before they got here; nothing would ever end the run.
    const commands = all.filter(({ stage }) => stage !== SETTLED)
    if (commands.length === 0) return
    const run: Run = {
      commands,
      waiter: undefined,
      lease: undefined,
      outstanding: commands.length,
      unblocking: undefined,
    }
    const now = clock.refresh()
    let deadline = Number.POSITIVE_INFINITY
    for (const command of commands) {
      if ((command.flags & BLOCKING) === 0) {
        command.start(now)
        deadline = Math.min(deadline, command.deadline)
      }
      this.runs.set(command, run)
      whenSettled(command, () => this.onSettled(command, run))
    }
    const { acquireTimeoutMs } = options
    const left = deadline - now
    const timeoutMs = acquireTimeoutMs > 0 ? Math.min(acquireTimeoutMs, left) : left
    run.waiter = this.leases.enqueue(
      label,
      timeoutMs === Number.POSITIVE_INFINITY ? 0 : Math.max(1, timeoutMs),
      (lease) => {
        run.waiter = undefined
        run.lease = lease
        if (refused !== undefined) lease.refused = (command, error) => this.passOn(command, error, run, refused)
        // Given up on the way here.
        if (run.outstanding === 0) {
          void lease.release()
          return
        }
        if (afterPing) sendInternalCommand(lease.entry.connection, newPing()).catch(() => undefined)
        for (const command of commands) if (command.stage !== SETTLED) lease.send(command)
      },
      (error) => {
        run.waiter = undefined
        this.refused(commands, error)
      },
    )
  }

  /** What another server takes over no longer concerns the connection here. */
  private passOn(
    command: Command,
    error: ReplyError,
    run: Run,
    refused: (command: Command, error: ReplyError) => boolean,
  ): boolean {
    if (run.unblocking !== undefined || this.runs.get(command) !== run) return false
    this.runs.delete(command)
    const taken = refused(command, error)
    if (!taken) this.runs.set(command, run)
    else this.countDown(run)
    return taken
  }

  private onSettled(command: Command, run: Run): void {
    if (this.runs.get(command) !== run) return
    this.runs.delete(command)
    this.countDown(run)
  }

  private countDown(run: Run): void {
    if (--run.outstanding > 0) return
    if (run.lease !== undefined) {
      const { lease } = run
      if (run.unblocking === undefined) void lease.release()
      else void run.unblocking.then(() => lease.release())
    } else if (run.waiter !== undefined) {
      this.leases.withdraw(run.waiter, new AbortedError('not-sent', 'The commands it was for were given up'))
    }
  }

  private refused(commands: readonly Command[], error: CenoteError): void {
    const open = commands.filter(({ stage }) => stage !== SETTLED)
    if (open.length === 0) return
    const { fallback } = this
    if (fallback === undefined || error.code === 'CENOTE_ABORTED' || error.code === 'CENOTE_CLOSED') {
      for (const command of open) this.means.judge.fail(command, error)
    } else {
      const exhausted = error.code === 'CENOTE_ACQUIRE_TIMEOUT' || error.code === 'CENOTE_OVERLOADED'
      fallback.runAll(open, exhausted ? 'budget-exhausted' : 'breaker-open')
    }
  }

  /** Its caller's signal fired. False when the command is not one of these. */
  cancel(command: Command, reason: unknown): boolean {
    const run = this.runs.get(command)
    if (run === undefined) return false
    if (run.lease === undefined || (command.flags & BLOCKING) === 0) this.means.judge.abort(command, reason)
    else run.unblocking = this.unblock(command, run.lease, reason)
    return true
  }

  /**
   * Asks the server to let go. If it took an element just before, that is delivered rather than lost; if it does not
   * let go in time, the connection is closed and the outcome is unknown.
   * @returns resolves when nothing more of the question can reach the connection
   */
  unblock(command: Command, lease: LeasedConnection, reason: unknown): Promise<void> {
    const { connection } = lease.entry
    const { judge, clock } = this.means
    const messenger = this.messenger()
    if (command.attempts === 0 || messenger === undefined || connection.serverId === 0) {
      judge.abort(command, reason)
      if (command.attempts > 0) connection.close('doubtful', abandoned(reason))
      return Promise.resolve()
    }
    lease.unblocking = command
    let alarm: Alarm | undefined
    const giveUp = (): void => {
      alarm?.cancel()
      if (command.stage !== SETTLED) judge.abort(command, reason)
      // The question may still arrive, and would hit whoever blocks on the connection then.
      connection.close('doubtful', abandoned(reason))
    }
    alarm = clock.alarm(UNBLOCK_GRACE_MS, giveUp, true)
    const asked = sendInternal(messenger, 'client', 'UNBLOCK', String(connection.serverId), 'ERROR')
    return asked.then(
      () => {
        if (command.stage === SETTLED) alarm?.cancel()
        else whenSettled(command, () => alarm?.cancel())
      },
      (error: unknown) => {
        // Forbidden by an ACL, or the messenger was lost: closing is the other way to make the server let go.
        if (isCenoteError(error)) giveUp()
      },
    )
  }
}

function abandoned(reason: unknown): CenoteError {
  const cause = reason instanceof AbortedError ? reason : undefined
  return new ConnectionError('Closed because its blocking command was aborted', { cause })
}
