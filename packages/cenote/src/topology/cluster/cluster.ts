import type { ResolvedOptions } from '../../config/options.js'
import { BLOCKING, type Command, SETTLED } from '../../connection/command.js'
import { type CenoteError, ClosedError, ConnectionError, type ReplyError } from '../../errors.js'
import { resolveSubcommand, slotKey } from '../../metadata/lookup.js'
import { Backlog } from '../../node/backlog.js'
import type { RunOptions } from '../../node/exclusive.js'
import type { LeasedConnection } from '../../node/leased-connection.js'
import type { AcquireOptions } from '../../node/leases.js'
import type { Line, LineEvents } from '../../node/line.js'
import type { Node, Shared } from '../../node/node.js'
import type { Judge } from '../../node/verdict.js'
import type { Topology } from '../topology.js'
import { refuseAcrossSlots } from './across-slots.js'
import { Gate } from './gate.js'
import { type ClusterEvents, Membership } from './membership.js'
import { Redirects } from './redirects.js'
import { scanStep } from './scan.js'
import { slotOf } from './slot.js'
import { divide, type Part, refuseToDivide } from './spread.js'
import { slotOfUnit, unitsOf, type Way, Ways, type WaysHost } from './ways.js'

/** A Redis Cluster: each command goes to the server that has the slot of its key. */
export class Cluster implements Topology, WaysHost {
  readonly members: Membership
  private readonly ways: Ways
  private readonly redirects: Redirects
  private readonly backlog: Backlog
  private closed = false

  constructor(
    private readonly options: ResolvedOptions,
    private readonly shared: Shared,
    private readonly judge: Judge,
    events: ClusterEvents,
  ) {
    const { clock } = shared
    this.ways = new Ways(this, clock)
    this.members = new Membership(options, shared, this.ways, events, (node, command, error) =>
      this.redirects.refused(node, command, error),
    )
    this.redirects = new Redirects(options.cluster!, this.members.servers, this.ways, this.members.survey, clock)
    this.backlog = new Backlog(options, clock)
  }

  get nodes(): readonly Node[] {
    return this.members.nodes
  }

  get main(): Node | undefined {
    return this.members.anywhere(undefined)
  }

  get isReady(): boolean {
    return this.members.isReady
  }

  get outstanding(): number {
    return this.nodes.reduce((count, node) => count + node.outstanding, this.ways.count)
  }

  connect(): void {
    this.members.connect()
  }

  send(command: Command): void {
    if (command.spec.spreads && this.spread(command)) return
    const key = slotKey(command.spec, command.args)
    const way = key === undefined ? this.anyWay() : this.ways.bySlot[slotOf(key)]!
    way.send(command)
  }

  /** True when the command concerns several servers, or cannot be had from one, and was seen to. */
  private spread(command: Command): boolean {
    const parts = this.partsOf(command)
    if (parts === undefined) return false
    for (const { command: part, on } of parts) {
      if (on !== undefined) on.node.send(part)
      else this.wayOf(slotOfUnit([part])).send(part)
    }
    return true
  }

  /** What is to be sent in place of the command; undefined for the command itself. */
  private partsOf(command: Command): readonly Part[] | undefined {
    const refusal = refuseToDivide(command)
    if (refusal !== undefined) {
      this.judge.fail(command, refusal)
      return []
    }
    if (!this.members.mapped && resolveSubcommand(command.spec, command.args).spread?.over !== 'keys') {
      this.sendLater(command)
      return []
    }
    if (command.spec.name !== 'scan') return divide(command, this.members)
    const step = scanStep(command, this.ways.owners)
    return step === undefined ? [] : [step]
  }

  /** Until it is known which servers there are. */
  private sendLater(command: Command): void {
    const since = this.shared.clock.refresh()
    command.start(since)
    this.invite(this.ways.lobby, {
      deadline: command.deadline,
      isOver: () => command.stage === SETTLED,
      go: () => this.send(command),
      fail: (error) => (error === undefined ? this.expire(command) : this.judge.fail(command, error)),
    })
  }

  private anyWay(): Way {
    return this.members.anywhere(undefined) ?? this.ways.lobby
  }

  private wayOf(slot: number | undefined): Way {
    return slot === undefined ? this.anyWay() : this.ways.bySlot[slot]!
  }

  sendAll(commands: readonly Command[], unordered: boolean): void {
    const parts = this.split(commands)
    if (parts.size > 1) {
      // Nothing is sent when one of several servers would not take its part.
      for (const [way, part] of parts) {
        const refusal = way.refusalOf(part)
        if (refusal === undefined) continue
        for (const all of parts.values()) this.judge.failAll(all, refusal)
        return
      }
    }
    for (const [way, part] of parts) {
      if (unordered && !(way instanceof Gate)) way.sendUnordered(part)
      else way.sendAll(part)
    }
  }

  /** By where they go, in order. A transaction whose keys are not in one slot goes nowhere. */
  private split(commands: readonly Command[]): ReadonlyMap<Way, readonly Command[]> {
    const parts = new Map<Way, Command[]>()
    let last: Way | undefined
    let part: Command[] = []
    const add = (way: Way, unit: readonly Command[]): void => {
      if (way !== last) {
        last = way
        part = parts.get(way) ?? []
        parts.set(way, part)
      }
      for (const command of unit) part.push(command)
    }
    for (const unit of unitsOf(commands)) {
      const refusal = unit.length > 1 ? refuseAcrossSlots(unit) : undefined
      const divided = unit.length === 1 && unit[0]!.spec.spreads ? this.partsOf(unit[0]!) : undefined
      if (refusal !== undefined) this.judge.failAll(unit, refusal)
      else if (divided === undefined) add(this.wayOf(slotOfUnit(unit)), unit)
      else for (const { command, on } of divided) add(on?.node ?? this.wayOf(slotOfUnit([command])), [command])
    }
    return parts
  }

  run(commands: readonly Command[], options: RunOptions): void {
    const [only] = commands
    const parts = commands.length === 1 && only!.spec.spreads ? this.partsOf(only!) : undefined
    if (parts !== undefined) {
      // WAIT: each server is asked about its own writes.
      for (const { command, on } of parts) {
        command.flags |= only!.flags & BLOCKING
        ;(on?.node ?? this.main)?.run([command], options)
      }
      return
    }
    const way = this.wayOf(slotOfUnit(commands))
    if (way instanceof Gate) this.runLater(way, commands, options)
    else this.runOn(way, commands, options)
  }

  private runOn(node: Node, commands: readonly Command[], options: RunOptions): void {
    const again = (command: Command, on: Node | undefined): void => {
      if (on !== undefined) this.runOn(on, [command], options)
      else this.run([command], options)
    }
    node.run(commands, {
      ...options,
      refused: (command, error) => this.redirects.rerun(node, command, error, again),
    })
  }

  private runLater(gate: Gate, commands: readonly Command[], options: RunOptions): void {
    const now = this.shared.clock.refresh()
    const { acquireTimeoutMs } = this.options
    let deadline = acquireTimeoutMs > 0 ? now + acquireTimeoutMs : Number.POSITIVE_INFINITY
    for (const command of commands) {
      if ((command.flags & BLOCKING) !== 0) continue
      command.start(now)
      deadline = Math.min(deadline, command.deadline)
    }
    const open = () => commands.filter(({ stage }) => stage !== SETTLED)
    this.invite(gate, {
      deadline,
      isOver: () => open().length === 0,
      go: () => this.run(open(), options),
      fail: (error) => this.judge.failAll(open(), error ?? this.noServer(now)),
    })
  }

  tryAcquire(options: AcquireOptions | undefined): LeasedConnection | undefined {
    const way = this.wayOfKey(options?.key)
    return way instanceof Gate ? undefined : way.tryAcquire(options?.label ?? 'lease')
  }

  acquire(options: AcquireOptions = {}): Promise<LeasedConnection> {
    const way = this.wayOfKey(options.key)
    return way instanceof Gate ? this.acquireLater(way, options) : way.acquire(options)
  }

  private acquireLater(gate: Gate, options: AcquireOptions): Promise<LeasedConnection> {
    const { timeoutMs = this.options.acquireTimeoutMs } = options
    const since = this.shared.clock.refresh()
    return new Promise((resolve, reject) => {
      this.invite(gate, {
        deadline: timeoutMs > 0 ? since + timeoutMs : Number.POSITIVE_INFINITY,
        isOver: () => false,
        go: () => {
          const left = timeoutMs > 0 ? Math.max(1, timeoutMs - (this.shared.clock.now - since)) : 0
          this.acquire({ ...options, timeoutMs: left }).then(resolve, reject)
        },
        fail: (error) => reject(error ?? this.noServer(since)),
      })
    })
  }

  private invite(gate: Gate, guest: Parameters<Gate['invite']>[0]): void {
    const refusal = this.refusalOf([])
    if (refusal !== undefined) {
      guest.fail(refusal)
      return
    }
    gate.invite(guest)
    this.shared.clock.wake()
    if (gate === this.ways.lobby) this.onUncovered()
  }

  private wayOfKey(key: string | Buffer | undefined): Way {
    return this.wayOf(key === undefined ? undefined : slotOf(key))
  }

  private noServer(since: number): CenoteError {
    const waited = Math.round(this.shared.clock.now - since)
    return new ConnectionError(`No server of the cluster had the slot within ${waited} ms; nothing was sent`)
  }

  openLine(options: ResolvedOptions, events: LineEvents, label: string): Line {
    const node = this.members.anyNode
    return node.openLine({ ...node.options, ...linesOwn(options) }, events, label)
  }

  /** The server that has a slot; undefined while none has. */
  nodeOf(slot: number): Node | undefined {
    return this.ways.owners[slot]?.node
  }

  openLineOn(node: Node, options: ResolvedOptions, events: LineEvents, label: string): Line {
    return node.openLine({ ...node.options, ...linesOwn(options) }, events, label)
  }

  /** A server said that something is elsewhere, to somebody who does not follow by himself. */
  lookAgain(): void {
    this.members.survey.request('moved')
  }

  /** True when the refusal means that another server has the keys; what it says of it is noted. */
  noteRedirect(error: ReplyError): boolean {
    return this.redirects.note(error)
  }

  admit(_gate: Gate, commands: readonly Command[]): boolean {
    const refusal = this.refusalOf(commands)
    if (refusal !== undefined) this.judge.failAll(commands, refusal)
    return refusal === undefined
  }

  refusalOf(commands: readonly Command[]): CenoteError | undefined {
    if (this.closed) return new ClosedError()
    return this.members.hopeless ?? this.backlog.admitParked(this.ways, commands)
  }

  onUncovered(): void {
    this.members.look()
  }

  anywhere(from: Node | undefined): Node | undefined {
    return this.members.anywhere(from)
  }

  fail(commands: readonly Command[], error: CenoteError): void {
    this.judge.failAll(commands, error)
  }

  abandon(commands: readonly Command[], error: CenoteError): void {
    for (const command of commands) this.judge.abandon(command, error)
  }

  expire(command: Command): void {
    this.judge.expire(command, undefined, this.members.lastFailure)
  }

  tick(now: number): boolean {
    const busy = this.members.tick(now)
    return this.ways.tick(now) || busy
  }

  latency(timeoutMs: number): Promise<number | undefined> {
    return this.main?.latency(timeoutMs) ?? Promise.resolve(undefined)
  }

  describe(): string {
    return this.options.cluster!.nodes.map(({ host, port }) => `${host}:${port}`).join(',')
  }

  get complaints(): readonly string[] {
    const { uncovered } = this.ways
    const away = this.members.servers.all.filter(({ role, node }) => role === 'primary' && !node.isUp)
    return [
      ...(this.members.mapped && uncovered > 0 ? [`${uncovered} slots have no server`] : []),
      ...away.map(({ key, node }) => `no connection to ${key}: ${node.counters.lastError ?? 'not opened yet'}`),
    ]
  }

  finish(): void {
    const error = new ClosedError()
    this.close(error)
    for (const node of this.nodes) node.finish()
  }

  destroy(error: CenoteError): void {
    this.close(error)
    for (const node of this.nodes) node.destroy(error)
  }

  private close(error: CenoteError): void {
    this.closed = true
    this.members.close()
    this.ways.destroy(error)
  }
}

/** What a line says for itself; where its server is says the server. */
function linesOwn({ connectionName, enableOfflineQueue, autoResubscribe }: ResolvedOptions): Partial<ResolvedOptions> {
  return { connectionName, enableOfflineQueue, autoResubscribe }
}
