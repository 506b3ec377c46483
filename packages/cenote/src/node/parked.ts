import type { Command } from '../connection/command.js'
import { SETTLED } from '../connection/command.js'
import { CommandQueue } from './command-queue.js'

/**
 * Commands that cannot be written right now, in the order in which they are to go. First what was already sent and came
 * back: refused before it ran, or fit to be sent again after its connection was lost. Then what came meanwhile.
 */
export class Parked {
  private readonly returned = new CommandQueue()
  readonly waiting = new CommandQueue()

  get count(): number {
    return this.returned.count + this.waiting.count
  }

  /** Accepted while nothing could be written. */
  add(command: Command): void {
    this.waiting.push(command)
  }

  /** Goes before all that was not sent yet. */
  giveBack(command: Command): void {
    this.returned.push(command)
  }

  /** Was accepted by a connection and not written; goes before what was accepted later. */
  unsend(first: Command | undefined): void {
    const later = this.waiting.takeAll()
    this.waiting.append(first)
    this.waiting.append(later)
  }

  /** Everything, in order, those aside that were settled meanwhile. */
  takeAll(): Command[] {
    const commands: Command[] = []
    for (const queue of [this.returned, this.waiting]) {
      queue.forEachTaken((command) => {
        if (command.stage !== SETTLED) commands.push(command)
      })
    }
    return commands
  }

  /** Takes out what is due. */
  takeDue(now: number): Command[] {
    const { returned, waiting } = this
    if (now < returned.nextDeadline && now < waiting.nextDeadline) return []
    return [...returned.takeDue(now), ...waiting.takeDue(now)]
  }
}
