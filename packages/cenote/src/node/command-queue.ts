import { approximateBytes, type Command, SETTLED } from '../connection/command.js'

/** FIFO of commands that wait for a connection, linked through the commands themselves. */
export class CommandQueue {
  count = 0
  bytes = 0
  /** Lower bound of the deadlines inside. */
  nextDeadline = Number.POSITIVE_INFINITY
  private head: Command | undefined
  private tail: Command | undefined

  push(command: Command): void {
    command.next = undefined
    if (this.tail === undefined) this.head = command
    else this.tail.next = command
    this.tail = command
    this.count++
    this.bytes += approximateBytes(command)
    if (command.deadline < this.nextDeadline) this.nextDeadline = command.deadline
  }

  /** Adds a list of commands, linked by `next`. */
  append(first: Command | undefined): void {
    for (let command = first; command !== undefined; ) {
      const next: Command | undefined = command.next
      this.push(command)
      command = next
    }
  }

  /** Empties the queue; the caller walks the list by `next`, which it must read before passing a command on. */
  takeAll(): Command | undefined {
    const first = this.head
    this.head = this.tail = undefined
    this.count = this.bytes = 0
    this.nextDeadline = Number.POSITIVE_INFINITY
    return first
  }

  /** Empties the queue into `take`, in order; what is pushed meanwhile stays. */
  forEachTaken(take: (command: Command) => void): void {
    for (let command = this.takeAll(); command !== undefined; ) {
      const next: Command | undefined = command.next
      command.next = undefined
      take(command)
      command = next
    }
  }

  /** Removes what is settled or due; returns the due ones. */
  takeDue(now: number): Command[] {
    const due: Command[] = []
    let command = this.takeAll()
    while (command !== undefined) {
      const next: Command | undefined = command.next
      if (command.stage !== SETTLED) {
        if (command.deadline <= now) due.push(command)
        else this.push(command)
      }
      command = next
    }
    return due
  }
}
