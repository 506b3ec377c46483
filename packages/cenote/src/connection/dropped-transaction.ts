import { lookupCommand } from '../metadata/lookup.js'
import { type BatchSink, type Command, TRANSACTION } from './command.js'

/**
 * Part of a MULTI was written and the rest was given up. Dropping its EXEC as well would leave the server queueing the
 * commands of every stranger that follow, so EXEC goes out as DISCARD. Given up as a whole, it was never there.
 */
export class DroppedTransaction {
  private whole: BatchSink | undefined

  /** Asked for each command that was given up before it was written, in order; true for one that must be written. */
  mustEnd(command: Command): boolean {
    if ((command.flags & TRANSACTION) === 0) return false
    if (command.spec.name === 'multi') this.whole = command.batch
    if (command.spec.name !== 'exec') return false
    const neverBegun = this.whole === command.batch
    this.whole = undefined
    if (!neverBegun) command.spec = lookupCommand('discard')
    return !neverBegun
  }
}
