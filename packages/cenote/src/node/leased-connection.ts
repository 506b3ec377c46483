import { type Command, INTERNAL } from '../connection/command.js'
import type { CloseReason, Leftovers } from '../connection/connection.js'
import { sendInternal } from '../connection/internal.js'
import { AbortedError, type CenoteError, ConnectionError, LeaseReleasedError, type ReplyError } from '../errors.js'
import { type Entry, type Holder, IN_MULTI, OTHER_DATABASE, TRACKING, UNDOABLE, WATCHING } from './entry.js'
import { loseAll } from './leftovers.js'
import type { Judge } from './verdict.js'

/** Where a lease came from and goes back to. */
export interface Shelf {
  onReturned(lease: LeasedConnection, reusable: boolean): void
  onLost(lease: LeasedConnection, reason: CloseReason, error: CenoteError): void
}

const done = Promise.resolve()

/** A connection in one borrower's hands. After release it takes no more commands. */
export class LeasedConnection implements Holder {
  label = ''
  /** Index among the leases that are out, -1 outside; see LeaseSet. */
  place = -1
  stack: string | undefined
  released = false
  lost: CenoteError | undefined
  /** Told when the connection is lost while borrowed. */
  onLoss: ((error: CenoteError) => void) | undefined
  /** Asked about what the server refuses; true: somebody else has taken it over. */
  refused: ((command: Command, error: ReplyError) => boolean) | undefined
  onPushMessage: ((items: unknown[]) => void) | undefined
  /** The blocking command that is being given up; its refusal is the answer to that. */
  unblocking: Command | undefined

  constructor(
    readonly entry: Entry,
    private readonly database: number,
    private readonly judge: Judge,
    private readonly shelf: Shelf,
    readonly borrowedAt: number,
  ) {
    entry.holder = this
    entry.dirty = 0
  }

  send(command: Command): void {
    if (this.released) this.judge.fail(command, new LeaseReleasedError())
    else if (this.lost !== undefined) this.judge.neverSent(command, this.lost)
    else {
      this.entry.track(command)
      this.entry.connection.send(command)
    }
  }

  get inTransaction(): boolean {
    return this.entry.inTransaction
  }

  /** Gives the connection back: undoes what is dirty, closes what is doubtful. Never throws; twice is once. */
  release(): Promise<void> {
    if (this.released) return done
    this.released = true
    if (this.lost !== undefined) return done
    const { connection, dirty } = this.entry
    const clean = connection.clean && (dirty & UNDOABLE) === 0 && !connection.subscriber
    if (clean && dirty !== 0) return this.releaseUndone()
    this.shelf.onReturned(this, clean)
    return done
  }

  private async releaseUndone(): Promise<void> {
    let reusable = false
    try {
      await Promise.all(this.undo())
      reusable = this.entry.connection.clean
    } catch {
      // Not undone means not reusable; the reason is in the connection's own close.
    }
    if (this.lost === undefined) this.shelf.onReturned(this, reusable)
  }

  private undo(): Promise<unknown>[] {
    const { connection, dirty } = this.entry
    const replies: Promise<unknown>[] = []
    if ((dirty & IN_MULTI) !== 0) replies.push(sendInternal(connection, 'discard'))
    else if ((dirty & WATCHING) !== 0) replies.push(sendInternal(connection, 'unwatch'))
    if ((dirty & OTHER_DATABASE) !== 0) replies.push(sendInternal(connection, 'select', String(this.database)))
    if ((dirty & TRACKING) !== 0) replies.push(sendInternal(connection, 'client', 'TRACKING', 'OFF'))
    return replies
  }

  onErrorReply(entry: Entry, command: Command, error: ReplyError): void {
    if ((command.flags & INTERNAL) !== 0) {
      command.fail(error)
      return
    }
    // A demoted server is no good for the next borrower; the address may lead to another one by now.
    if (error.kind === 'READONLY') entry.dirty |= UNDOABLE
    if (error.kind === 'UNBLOCKED' && this.unblocking === command) {
      this.judge.fail(command, unblocked(command))
      return
    }
    if (this.refused?.(command, error) !== true) this.judge.reject(command, error)
  }

  onPush(_entry: Entry, items: unknown[]): void {
    this.onPushMessage?.(items)
  }

  onClosed(_entry: Entry, reason: CloseReason, error: CenoteError, leftovers: Leftovers): void {
    this.lost =
      error.outcome === 'not-sent'
        ? error
        : new ConnectionError(`The leased connection was lost: ${error.message}`, { cause: error })
    loseAll(leftovers, error, this.lost, this.judge)
    this.shelf.onLost(this, reason, error)
    if (!this.released) this.onLoss?.(error)
  }

  onDead(entry: Entry, error: CenoteError): boolean {
    entry.connection.close('watchdog', error)
    return false
  }

  /** A lease cannot move to another connection, so it keeps its deadlines. */
  onPathDown(): void {}
}

function unblocked(command: Command): CenoteError {
  const message = `${command.spec.upperName} was aborted by its signal; the server stopped waiting and nothing was taken`
  return new AbortedError('rejected', message, { attempts: command.attempts })
}
