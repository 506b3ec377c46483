import type { CenoteError, ReplyError } from '../errors.js'
import type { Command } from './command.js'

/** One socket's life. Only {@link Connection.move} changes it, and every close carries a reason. */
export type ConnectionState = 'connecting' | 'ready' | 'draining' | 'closed'

/** Why a connection was closed; counted in the statistics under these names. */
export type CloseReason =
  | 'socket-error'
  | 'server-closed'
  | 'protocol-error'
  | 'handshake-failed'
  | 'connect-timeout'
  | 'watchdog'
  | 'health-check'
  | 'max-lifetime'
  | 'idle'
  | 'doubtful'
  | 'read-only'
  | 'moved'
  | 'reconnect'
  | 'budget'
  | 'pool-closed'

/** Commands a lost connection gives back, in their order: `written` may have run, `unsent` cannot have. */
export interface Leftovers {
  readonly written: Command | undefined
  readonly unsent: Command | undefined
}

/** The layer above a connection of type `C`. It alone decides what becomes of failed commands. */
export interface OwnerOf<C> {
  onErrorReply(connection: C, command: Command, error: ReplyError): void
  onPush(connection: C, items: unknown[]): void
  onClosed(connection: C, reason: CloseReason, error: CenoteError, leftovers: Leftovers): void
  /**
   * Commands are about to be written after a silence in which the path may have died. True holds them back until
   * `openGate()`; what is never written is certainly not sent.
   */
  onUntrusted(connection: C): boolean
}

/** Told of every reply; implemented by the statistics. */
export interface ReplyObserver {
  onReply(latencyMs: number): void
}
