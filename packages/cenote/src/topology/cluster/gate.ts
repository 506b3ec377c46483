import type { Command } from '../../connection/command.js'
import type { CenoteError } from '../../errors.js'
import type { Node } from '../../node/node.js'
import { Parked } from '../../node/parked.js'

/** What waits for a server without being a command in a queue: a lease, a blocking command. */
export interface Guest {
  /** Active time after which it no longer waits; Infinity for none. */
  readonly deadline: number
  /** True once nobody waits for it any more. */
  isOver(): boolean
  go(): void
  fail(error: CenoteError | undefined): void
}

/** What a gate needs of whoever made it. */
export interface GateKeeper {
  /** False when the commands were refused, and have been told. */
  admit(gate: Gate, commands: readonly Command[]): boolean
  /** Why commands would be refused. */
  refusalOf(commands: readonly Command[]): CenoteError | undefined
  /** Nothing is owed any more by what the gate waited for. */
  onCleared(gate: Gate): void
}

/**
 * Holds what is for some slots while it is not certain where it goes, or while what went before is still owed by another
 * server: let through now, it could overtake that.
 */
export class Gate {
  readonly queue = new Parked()
  /** Not before then, active time. */
  notBefore = 0
  /** Servers that may still owe replies for these slots. */
  readonly fenced = new Set<Node>()
  private guests: Guest[] = []
  private fences = 0

  constructor(
    readonly slots: readonly number[],
    private readonly keeper: GateKeeper,
  ) {}

  get isClear(): boolean {
    return this.fences === 0
  }

  get isEmpty(): boolean {
    return this.queue.count === 0 && this.guests.length === 0
  }

  send(command: Command): void {
    this.sendAll([command])
  }

  sendAll(commands: readonly Command[]): void {
    if (this.keeper.admit(this, commands)) this.resume(commands)
  }

  refusalOf(commands: readonly Command[]): CenoteError | undefined {
    return this.keeper.refusalOf(commands)
  }

  /** Commands that were admitted before. */
  resume(commands: readonly Command[]): void {
    for (const command of commands) this.queue.add(command)
  }

  /** Was refused by a server, or lost with its connection and fit to be sent again. */
  giveBack(commands: readonly Command[]): void {
    for (const command of commands) this.queue.giveBack(command)
  }

  invite(guest: Guest): void {
    this.guests.push(guest)
  }

  takeGuests(): Guest[] {
    return this.guests.splice(0).filter((guest) => !guest.isOver())
  }

  takeDueGuests(now: number): Guest[] {
    const due = this.guests.filter(({ deadline }) => deadline <= now)
    if (due.length > 0) this.guests = this.guests.filter(({ deadline }) => deadline > now)
    return due
  }

  /** Stays closed until the server owes nothing of what it has been sent so far. */
  fence(node: Node, passed: Promise<void> | undefined): void {
    if (passed === undefined || this.fenced.has(node)) return
    this.fenced.add(node)
    this.fences++
    void passed.then(() => {
      this.fences--
      if (this.fences === 0) this.keeper.onCleared(this)
    })
  }
}
