import { type Command, INTERNAL, SETTLED } from '../connection/command.js'
import type { CloseReason, Connection, ConnectionOwner, Leftovers } from '../connection/connection.js'
import { sendInternal } from '../connection/handshake.js'
import { AbortedError, type CenoteError, ConnectionError, LeaseReleasedError, type ReplyError } from '../errors.js'
import { callFlags, FLAG } from '../metadata/lookup.js'
import type { Judge } from './verdict.js'

/** What a borrower changed on its connection and how the change is undone. */
const WATCHING = 1
const IN_MULTI = 2
const OTHER_DATABASE = 4
const TRACKING = 8
/** Anything without an exact undo: the connection is closed instead of being lent again. */
const UNDOABLE = 16

/** What a lease reports to the pool of leases. */
export interface LeaseHome {
  onReleased(lease: LeasedConnection, reusable: boolean): void
  onLost(lease: LeasedConnection, reason: CloseReason, error: CenoteError): void
  onPush(lease: LeasedConnection, items: unknown[]): void
}

const done = Promise.resolve()

/** A connection in one borrower's hands. Remembers what to undo; after release it takes no more commands. */
export class LeasedConnection implements ConnectionOwner {
  label = ''
  /** Index in the set of leases that are out, -1 outside; see LeaseSet. */
  place = -1
  stack: string | undefined
  released = false
  lost: CenoteError | undefined
  /** Told when the connection is lost while borrowed. */
  onLost: ((error: CenoteError) => void) | undefined
  onPushMessage: ((items: unknown[]) => void) | undefined
  private dirty = 0

  constructor(
    readonly connection: Connection,
    private readonly database: number,
    private readonly judge: Judge,
    private readonly home: LeaseHome,
    readonly borrowedAt: number,
  ) {
    connection.owner = this
  }

  send(command: Command): void {
    if (this.released) this.judge.fail(command, new LeaseReleasedError())
    else if (this.lost !== undefined) this.judge.neverSent(command, this.lost)
    else {
      this.track(command)
      this.connection.send(command)
    }
  }

  /** Notes what the command changes; called before it is sent, so that a lost reply leaves the note in place. */
  private track(command: Command): void {
    const { spec, args } = command
    if ((spec.flags & (FLAG.CONNECTION_STATE | FLAG.ARGUMENT_DEPENDENT)) === 0) return
    if ((callFlags(spec, args) & FLAG.CONNECTION_STATE) === 0) return
    switch (spec.name) {
      case 'watch':
        this.dirty |= WATCHING
        break
      case 'unwatch':
        this.dirty &= ~WATCHING
        break
      case 'multi':
        this.dirty |= IN_MULTI
        break
      case 'exec':
      case 'discard':
        this.dirty &= ~(IN_MULTI | WATCHING)
        break
      case 'select':
        this.dirty |= OTHER_DATABASE
        break
      case 'client':
        this.dirty |= String(args[0]).toLowerCase() === 'tracking' ? TRACKING : UNDOABLE
        break
      default:
        this.dirty |= UNDOABLE
    }
  }

  /** True while the borrower is inside MULTI. */
  get inTransaction(): boolean {
    return (this.dirty & IN_MULTI) !== 0
  }

  /** Gives the connection back: undoes what is dirty, closes what is doubtful. Never throws; twice is once. */
  release(): Promise<void> {
    if (this.released) return done
    this.released = true
    if (this.lost !== undefined) return done
    const { connection } = this
    const clean = connection.clean && (this.dirty & UNDOABLE) === 0 && !connection.subscriber
    if (clean && this.dirty !== 0) return this.releaseUndone()
    this.home.onReleased(this, clean)
    return done
  }

  private async releaseUndone(): Promise<void> {
    let reusable = false
    try {
      await Promise.all(this.undo())
      reusable = this.connection.clean
    } catch {
      // Not undone means not reusable; the reason is in the connection's own close.
    }
    if (this.lost === undefined) this.home.onReleased(this, reusable)
  }

  private undo(): Promise<unknown>[] {
    const { connection, dirty } = this
    const replies: Promise<unknown>[] = []
    if ((dirty & IN_MULTI) !== 0) replies.push(sendInternal(connection, 'discard'))
    else if ((dirty & WATCHING) !== 0) replies.push(sendInternal(connection, 'unwatch'))
    if ((dirty & OTHER_DATABASE) !== 0) replies.push(sendInternal(connection, 'select', String(this.database)))
    if ((dirty & TRACKING) !== 0) replies.push(sendInternal(connection, 'client', 'TRACKING', 'OFF'))
    return replies
  }

  onErrorReply(_connection: Connection, command: Command, error: ReplyError): void {
    if ((command.flags & INTERNAL) !== 0) {
      command.fail(error)
      return
    }
    // A demoted server is no good for the next borrower; the address may lead to another one by now.
    if (error.kind === 'READONLY') this.dirty |= UNDOABLE
    if (error.kind === 'UNBLOCKED' && this.unblocking === command) {
      this.judge.fail(command, unblocked(command))
      return
    }
    this.judge.reject(command, error)
  }

  /** The blocking command that is being given up, see {@link Unblocker}. */
  unblocking: Command | undefined

  onPush(_connection: Connection, items: unknown[]): void {
    if (this.onPushMessage !== undefined) this.onPushMessage(items)
    else this.home.onPush(this, items)
  }

  onClosed(_connection: Connection, reason: CloseReason, error: CenoteError, leftovers: Leftovers): void {
    this.lost =
      error.outcome === 'not-sent'
        ? error
        : new ConnectionError(`The leased connection was lost: ${error.message}`, { cause: error })
    for (let command = leftovers.written; command !== undefined; ) {
      const next: Command | undefined = command.next
      if ((command.flags & INTERNAL) !== 0) command.fail(error)
      else if (command.stage !== SETTLED) this.judge.loseWritten(command, error)
      command = next
    }
    for (let command = leftovers.unsent; command !== undefined; ) {
      const next: Command | undefined = command.next
      if ((command.flags & INTERNAL) !== 0) command.fail(error)
      else this.judge.neverSent(command, this.lost)
      command = next
    }
    this.home.onLost(this, reason, error)
    if (!this.released) this.onLost?.(error)
  }
}

function unblocked(command: Command): CenoteError {
  const message = `${command.spec.upperName} was aborted by its signal; the server stopped waiting and nothing was taken`
  return new AbortedError('rejected', message, { attempts: command.attempts })
}
