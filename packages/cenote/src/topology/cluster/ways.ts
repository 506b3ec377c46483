import type { LoopClock } from '../../connection/clock.js'
import { ASKING, type Command, wholeOf } from '../../connection/command.js'
import type { CenoteError } from '../../errors.js'
import { slotKey } from '../../metadata/lookup.js'
import type { Node } from '../../node/node.js'
import { Gate, type GateKeeper } from './gate.js'
import type { Server } from './servers.js'
import { SLOTS, slotOf } from './slot.js'

/** Where the commands of a slot go: to the server that has it, or into a gate. */
export type Way = Node | Gate

/** What is asked of whoever knows limits and servers. */
export interface WaysHost {
  admit(gate: Gate, commands: readonly Command[]): boolean
  refusalOf(commands: readonly Command[]): CenoteError | undefined
  /** Commands wait for a slot that no server has. */
  onUncovered(): void
  fail(commands: readonly Command[], error: CenoteError): void
  /** Given up with the pool. */
  abandon(commands: readonly Command[], error: CenoteError): void
  expire(command: Command): void
  /** For commands without a key. @param from where they were, if that is still a server of the cluster */
  anywhere(from: Node | undefined): Node | undefined
}

/** The slot a command, or what it belongs to, is for; undefined when it has no key. */
export function slotOfUnit(unit: readonly Command[]): number | undefined {
  for (const { spec, args } of unit) {
    const key = slotKey(spec, args)
    if (key !== undefined) return slotOf(key)
  }
  return undefined
}

/** Commands that go together or not at all: single ones, and transactions. */
export function unitsOf(commands: readonly Command[]): (readonly Command[])[] {
  const units: (readonly Command[])[] = []
  for (let i = 0; i < commands.length; ) {
    const unit = wholeOf(commands[i]!)
    units.push(unit)
    i += unit.length
  }
  return units
}

/**
 * Which server has which slot, and the order of commands while that changes. What was sent to the old server is answered
 * or lost before anything for the same slot goes to the new one.
 */
export class Ways implements GateKeeper {
  /** The hot path looks at nothing else. */
  readonly bySlot: Way[]
  readonly owners: (Server | undefined)[] = new Array(SLOTS).fill(undefined)
  /** For slots that no server has. */
  readonly lobby: Gate
  private readonly gates = new Set<Gate>()
  /** Active time at which a server said where the slot is: older surveys do not know better. */
  private readonly patchedAt = new Float64Array(SLOTS)

  constructor(
    private readonly host: WaysHost,
    private readonly clock: LoopClock,
  ) {
    this.lobby = new Gate([], this)
    this.bySlot = new Array(SLOTS).fill(this.lobby)
  }

  admit(gate: Gate, commands: readonly Command[]): boolean {
    if (!this.host.admit(gate, commands)) return false
    const now = this.clock.refresh()
    for (const command of commands) command.start(now)
    this.clock.wake()
    if (gate === this.lobby) this.host.onUncovered()
    return true
  }

  refusalOf(commands: readonly Command[]): CenoteError | undefined {
    return this.host.refusalOf(commands)
  }

  get all(): readonly Gate[] {
    return [this.lobby, ...this.gates]
  }

  get count(): number {
    return this.all.reduce((sum, { queue }) => sum + queue.count, 0)
  }

  get bytes(): number {
    return this.all.reduce((sum, { queue }) => sum + queue.bytes, 0)
  }

  /** Slots that no server has. */
  get uncovered(): number {
    return this.owners.reduce((count, owner) => (owner === undefined ? count + 1 : count), 0)
  }

  /** The gate of a slot, if it has one. */
  gated(slot: number): Gate | undefined {
    const way = this.bySlot[slot]!
    return way instanceof Gate && way !== this.lobby ? way : undefined
  }

  /** The gate of a slot, made when there is none: what the server owes for it comes first. */
  gateOf(slot: number, old: Node): Gate {
    const gate = this.gated(slot) ?? this.close([slot])
    gate.fence(old, old.settled())
    return gate
  }

  private close(slots: readonly number[]): Gate {
    const gate = new Gate(slots, this)
    this.gates.add(gate)
    for (const slot of slots) this.bySlot[slot] = gate
    return gate
  }

  /** A server says who has the slot. False when that was known. */
  patch(slot: number, owner: Server): boolean {
    this.patchedAt[slot] = this.clock.refresh()
    if (this.owners[slot] === owner) return false
    this.owners[slot] = owner
    // A slot in the lobby is gated by whoever follows the redirect.
    return true
  }

  /**
   * All owners, as a survey found them.
   * @param ownerOf undefined for a slot that no server has
   * @param since what servers said later holds
   * @returns servers that lost slots, and whether anything is new
   */
  assign(ownerOf: (slot: number) => Server | undefined, since: number): { losers: Iterable<Server>; news: boolean } {
    const losers = new Map<Server, number[]>()
    let news = false
    for (let slot = 0; slot < SLOTS; slot++) {
      if (this.patchedAt[slot]! > since) continue
      const owner = ownerOf(slot)
      const old = this.owners[slot]
      if (old === owner) continue
      this.owners[slot] = owner
      news = true
      const slots = old === undefined ? undefined : losers.get(old)
      if (slots !== undefined) slots.push(slot)
      else if (old !== undefined) losers.set(old, [slot])
      else if (this.bySlot[slot] === this.lobby) this.lead(slot)
    }
    for (const [old, slots] of losers) this.turn(old.node, slots)
    return { losers: losers.keys(), news }
  }

  /** Slots leave a server that may still owe replies for them. */
  private turn(old: Node, slots: readonly number[]): void {
    const owed = old.settled()
    const direct: number[] = []
    for (const slot of slots) {
      const way = this.bySlot[slot]!
      if (way instanceof Gate && way !== this.lobby) way.fence(old, owed)
      else direct.push(slot)
    }
    if (owed === undefined) for (const slot of direct) this.lead(slot)
    else if (direct.length > 0) this.close(direct).fence(old, owed)
  }

  private lead(slot: number): void {
    this.bySlot[slot] = this.owners[slot]?.node ?? this.lobby
  }

  onCleared(gate: Gate): void {
    // What was lost with its connection and may be sent again is older than what waits here.
    for (const node of gate.fenced) if (node.parked > 0) this.redispatch(node)
    gate.fenced.clear()
    this.openIfDue(gate, this.clock.refresh())
  }

  openIfDue(gate: Gate, now: number): void {
    if (gate === this.lobby || !gate.isClear || now < gate.notBefore || !this.gates.has(gate)) return
    this.gates.delete(gate)
    for (const slot of gate.slots) if (this.bySlot[slot] === gate) this.lead(slot)
    this.letGo(gate)
  }

  /** What waited for servers to be known tries again. */
  openLobby(): void {
    this.letGo(this.lobby)
  }

  failLobby(error: CenoteError): void {
    this.host.fail(this.lobby.queue.takeAll(), error)
    for (const guest of this.lobby.takeGuests()) guest.fail(error)
  }

  private letGo(gate: Gate): void {
    for (const unit of unitsOf(gate.queue.takeAll())) this.resume(unit)
    for (const guest of gate.takeGuests()) guest.go()
  }

  /** Goes on, as far as it can. */
  resume(unit: readonly Command[]): void {
    const slot = slotOfUnit(unit)
    const way = slot === undefined ? (this.host.anywhere(undefined) ?? this.lobby) : this.bySlot[slot]!
    way.resume(unit)
  }

  /** What a server has accepted and not been sent goes where it belongs by now; what belongs to it goes back to it. */
  redispatch(node: Node): void {
    const { returned, waiting } = node.withdraw()
    for (const unit of unitsOf(returned)) {
      const way = this.wayBack(unit, node)
      if (way instanceof Gate) way.giveBack(unit)
      else way.resume(unit)
    }
    const held = new Map<Gate, Command[]>()
    for (const unit of unitsOf(waiting)) {
      const way = this.wayBack(unit, node)
      if (!(way instanceof Gate)) {
        way.resume(unit)
        continue
      }
      const commands = held.get(way) ?? []
      held.set(way, commands)
      for (const command of unit) commands.push(command)
    }
    for (const [gate, commands] of held) gate.queue.insert(commands)
  }

  /** What a redirect brought here stays, and so does what may be anywhere, as long as this is a server of the cluster. */
  private wayBack(unit: readonly Command[], node: Node): Way {
    const anywhere = this.host.anywhere(node)
    if ((unit[0]!.flags & ASKING) !== 0) {
      if (anywhere === node) return node
      unit[0]!.flags &= ~ASKING
    }
    const slot = slotOfUnit(unit)
    return slot === undefined ? (anywhere ?? this.lobby) : this.bySlot[slot]!
  }

  tick(now: number): boolean {
    for (const gate of this.all) {
      for (const command of gate.queue.takeDue(now)) this.host.expire(command)
      for (const guest of gate.takeDueGuests(now)) guest.fail(undefined)
      this.openIfDue(gate, now)
    }
    return this.gates.size > 0 || !this.lobby.isEmpty
  }

  destroy(error: CenoteError): void {
    for (const gate of this.all) {
      this.host.abandon(gate.queue.takeAll(), error)
      for (const guest of gate.takeGuests()) guest.fail(error)
    }
    this.gates.clear()
  }
}
