import { type Command, SETTLED, wholeOf } from '../connection/command.js'
import { CommandQueue } from './command-queue.js'

/**
 * Commands that cannot be written right now, in the order in which they are to go. First what was already sent and came
 * back: refused before it ran, or fit to be sent again after its connection was lost. Then what came meanwhile.
 */
export class Parked {
  private readonly returned = new CommandQueue()
  readonly waiting = new CommandQueue()

  get bytes(): number {
    return this.returned.bytes + this.waiting.bytes
  }

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

  /** Was sent ahead of all others and came back. */
  putFirst(commands: readonly Command[]): void {
    const later = this.returned.takeAll()
    for (const command of commands) this.returned.push(command)
    this.returned.append(later)
  }

  /** Was accepted by a connection and not written; goes before what was accepted later. */
  unsend(first: Command | undefined): void {
    const later = this.waiting.takeAll()
    this.waiting.append(first)
    this.waiting.append(later)
  }

  /** Was accepted before what is here, and never sent. */
  insert(commands: readonly Command[]): void {
    const later = this.waiting.takeAll()
    for (const command of commands) this.waiting.push(command)
    this.waiting.append(later)
  }

  /** Everything, in order, those aside that were settled meanwhile. */
  takeAll(): Command[] {
    return [...this.takeReturned(), ...taken(this.waiting)]
  }

  /** What had been sent before. */
  takeReturned(): Command[] {
    return taken(this.returned)
  }

  /** The first of all with what it belongs to. */
  takeFirst(): readonly Command[] {
    const [first, ...rest] = this.takeAll()
    if (first === undefined) return []
    const whole = wholeOf(first)
    for (const command of rest) if (!whole.includes(command)) this.returned.push(command)
    return whole
  }

  /** Takes out what is due. */
  takeDue(now: number): Command[] {
    const { returned, waiting } = this
    if (now < returned.nextDeadline && now < waiting.nextDeadline) return []
    return [...returned.takeDue(now), ...waiting.takeDue(now)]
  }
}

function taken(queue: CommandQueue): Command[] {
  const commands: Command[] = []
  queue.forEachTaken((command) => {
    if (command.stage !== SETTLED) commands.push(command)
  })
  return commands
}
