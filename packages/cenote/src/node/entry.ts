import type { Command } from '../connection/command.js'
import type { CloseReason, Connection, ConnectionOwner, Leftovers } from '../connection/connection.js'
import type { CenoteError, ReplyError } from '../errors.js'
import { callFlags, FLAG } from '../metadata/lookup.js'
import { monotonic } from '../timers.js'
import { failAll } from './leftovers.js'

/** Who has a connection right now: a lane, a borrower, the shelf of idle ones. Gets what the connection reports. */
export interface Holder {
  onErrorReply(entry: Entry, command: Command, error: ReplyError): void
  onPush(entry: Entry, items: unknown[]): void
  onClosed(entry: Entry, reason: CloseReason, error: CenoteError, leftovers: Leftovers): void
  /**
   * Proven dead: the holder closes it. `fresh` is a proven connection that may take its place; true when it did.
   */
  onDead(entry: Entry, error: CenoteError, fresh: Entry | undefined): boolean
  /** The path to the server is down; the connection may come back with it. */
  onPathDown(entry: Entry): void
}

/** Between two holders, or before the first. */
const NOBODY: Holder = {
  onErrorReply: (_entry, command, error) => command.fail(error),
  onPush: () => undefined,
  onClosed: (_entry, _reason, error, leftovers) => failAll(leftovers, error),
  onDead: () => false,
  onPathDown: () => undefined,
}

/** What was changed on a connection and how it is undone before somebody else gets it. */
export const WATCHING = 1
export const IN_MULTI = 2
export const OTHER_DATABASE = 4
export const TRACKING = 8
/** Anything without an exact undo: the connection is closed instead of being lent again. */
export const UNDOABLE = 16

/** Whoever opened it answers whether it may be trusted after a silence. */
export type TrustCheck = (entry: Entry) => boolean

/** What the node knows of one of its connections: who has it, since when it rests, what was changed on it. */
export class Entry implements ConnectionOwner {
  holder: Holder = NOBODY
  /** When it was last given back, real time. */
  restingSince = 0
  /** When it has lived long enough, real time. */
  expiresAt = Number.POSITIVE_INFINITY
  /** Not to be lent again: of a server left behind, or not authenticated anew for being in a transaction. */
  stale = false
  dirty = 0

  constructor(
    readonly connection: Connection,
    private readonly isTrusted: TrustCheck,
  ) {
    connection.owner = this
  }

  get isOpen(): boolean {
    return this.connection.state !== 'closed'
  }

  /** Somebody is inside MULTI, so that whatever is sent now would become part of it. */
  get inTransaction(): boolean {
    return (this.dirty & IN_MULTI) !== 0
  }

  /** Lives at most so long, and up to a tenth less, so that connections opened together are not replaced together. */
  limitLife(milliseconds: number): void {
    if (milliseconds > 0) this.expiresAt = this.connection.createdAt + milliseconds * (1 - Math.random() / 10)
  }

  get isOld(): boolean {
    return monotonic() > this.expiresAt
  }

  /** Notes what the command changes; called before it is sent, so that a lost reply leaves the note in place. */
  track(command: Command): void {
    const { spec, args } = command
    if ((spec.flags & (FLAG.CONNECTION_STATE | FLAG.ARGUMENT_DEPENDENT)) === 0) return
    if ((callFlags(spec, args) & FLAG.CONNECTION_STATE) === 0) return
    switch (spec.name) {
      case 'watch':
        this.dirty |= WATCHING
        break
      case 'multi':
        this.dirty |= IN_MULTI
        break
      case 'unwatch':
        this.whenAnswered(command, WATCHING)
        break
      case 'exec':
      case 'discard':
        this.whenAnswered(command, IN_MULTI | WATCHING)
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

  /** Over when the server says so. Given up before its reply, as after a time-out, nobody knows, and the note stays. */
  private whenAnswered(command: Command, over: number): void {
    const { succeed } = command
    command.succeed = (value) => {
      this.dirty &= ~over
      succeed.call(command, value)
    }
  }

  onErrorReply(_connection: Connection, command: Command, error: ReplyError): void {
    const { name } = command.spec
    // A refused MULTI did not begin, and a refused EXEC ends one, but lets the server watch on unless it says EXECABORT.
    if (name === 'multi' || name === 'exec' || name === 'discard') this.dirty &= ~IN_MULTI
    if (error.kind === 'EXECABORT') this.dirty &= ~WATCHING
    this.holder.onErrorReply(this, command, error)
  }

  onPush(_connection: Connection, items: unknown[]): void {
    this.holder.onPush(this, items)
  }

  onClosed(_connection: Connection, reason: CloseReason, error: CenoteError, leftovers: Leftovers): void {
    this.holder.onClosed(this, reason, error, leftovers)
  }

  onUntrusted(): boolean {
    return !this.isTrusted(this)
  }
}
