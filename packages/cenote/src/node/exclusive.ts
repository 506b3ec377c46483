import type { ResolvedOptions } from '../config/options.js'
import { BLOCKING, type Command, SETTLED } from '../connection/command.js'
import type { Connection } from '../connection/connection.js'
import { sendInternal } from '../connection/handshake.js'
import { AbortedError, type CenoteError, ConnectionError, isCenoteError } from '../errors.js'
import { blockTimeoutMs } from '../metadata/lookup.js'
import type { LeasedConnection } from './leased-connection.js'
import type { AcquireOptions, Leases } from './leases.js'
import type { PoolParts } from './parts.js'

/** How long an aborted blocking command may take to come back from the server before its connection is closed, ms. */
const UNBLOCK_GRACE_MS = 500

interface Run {
  readonly abort: AbortController
  lease: LeasedConnection | undefined
}

/** Commands that wait at the server: each on a connection of its own, and called back from there when aborted. */
export class BlockingCalls {
  private readonly runs = new Map<Command, Run>()

  constructor(
    private readonly options: ResolvedOptions,
    private readonly leases: Leases,
    private readonly parts: PoolParts,
    /** A connection that is free to carry CLIENT UNBLOCK. */
    private readonly messenger: () => Connection | undefined,
  ) {}

  send(command: Command, acquire: AcquireOptions): void {
    const block = blockTimeoutMs(command.spec, command.args)
    const { onSettled } = command
    const run: Run = { abort: new AbortController(), lease: undefined }
    command.flags |= BLOCKING
    this.runs.set(command, run)
    command.onSettled = () => {
      this.runs.delete(command)
      void run.lease?.release()
      onSettled?.()
    }
    this.leases.acquire({ label: command.spec.upperName, signal: run.abort.signal, ...acquire }).then(
      (lease) => {
        if (command.stage === SETTLED) {
          void lease.release()
          return
        }
        run.lease = lease
        const grace = this.options.blockingGraceMs
        command.timeoutMs = block === undefined || block === Number.POSITIVE_INFINITY ? 0 : block + grace
        lease.send(command)
      },
      (error: CenoteError) => this.refused(command, error),
    )
  }

  private refused(command: Command, error: CenoteError): void {
    const { fallback, judge } = this.parts
    if (command.stage === SETTLED) return
    if (fallback === undefined || error.code === 'CENOTE_ABORTED' || error.code === 'CENOTE_CLOSED') {
      judge.fail(command, error)
    } else {
      const exhausted = error.code === 'CENOTE_ACQUIRE_TIMEOUT' || error.code === 'CENOTE_OVERLOADED'
      fallback.run(command, exhausted ? 'budget-exhausted' : 'breaker-open')
    }
  }

  /** False when the command is not one of these. */
  cancel(command: Command, reason: unknown): boolean {
    const run = this.runs.get(command)
    if (run === undefined) return false
    if (run.lease === undefined) {
      this.parts.judge.abort(command, reason)
      run.abort.abort(reason)
    } else this.unblock(command, run.lease, reason)
    return true
  }

  /**
   * Asks the server to let go. If it took an element just before, that is delivered rather than lost; if it does not
   * let go in time, the connection is closed and the outcome is unknown.
   */
  unblock(command: Command, lease: LeasedConnection, reason: unknown): void {
    const { connection } = lease
    const { judge } = this.parts
    const messenger = this.messenger()
    if (command.attempts === 0 || messenger === undefined || connection.serverId === 0) {
      judge.abort(command, reason)
      if (command.attempts > 0) connection.close('doubtful', abandoned(reason))
      return
    }
    lease.unblocking = command
    const giveUp = () => {
      clearTimeout(timer)
      if (command.stage === SETTLED) return
      judge.abort(command, reason)
      connection.close('doubtful', abandoned(reason))
    }
    const timer = setTimeout(giveUp, UNBLOCK_GRACE_MS)
    const { onSettled } = command
    command.onSettled = () => {
      clearTimeout(timer)
      onSettled?.()
    }
    sendInternal(messenger, 'client', 'UNBLOCK', String(connection.serverId), 'ERROR').catch((error: unknown) => {
      // Forbidden by an ACL, or the messenger was lost: closing is the other way to make the server let go.
      if (isCenoteError(error)) giveUp()
    })
  }
}

function abandoned(reason: unknown): CenoteError {
  const cause = reason instanceof AbortedError ? reason : undefined
  return new ConnectionError('Closed because its blocking command was aborted', { cause })
}
