import type { EventEmitter } from 'node:events'
import type { ResolvedOptions } from '../config/options.js'
import { Command, promiseOf } from '../connection/command.js'
import type { Connection } from '../connection/connection.js'
import { type CenoteError, ClosedError, ReplyError } from '../errors.js'
import { lookupCommand } from '../metadata/lookup.js'
import type { Line, LineEvents } from '../node/line.js'
import type { Node } from '../node/node.js'
import { clearTimeout, monotonic, setTimeout, wallClock } from '../timers.js'
import { slotOf } from '../topology/cluster/slot.js'
import type { CommandArg } from '../wire/encode.js'
import { Subscriptions } from './subscriptions.js'

/** What shard channels need of the cluster. */
export interface Shards {
  /** The server that has a slot; undefined while none has. */
  nodeOf(slot: number): Node | undefined
  openLineOn(node: Node, options: ResolvedOptions, events: LineEvents, label: string): Line
  /** A server said that a slot is elsewhere. */
  lookAgain(): void
}

/** How soon channels are tried again whose slot has no server, or has just moved, ms; then ever less often. */
const RETRY_MS = 50
const RETRY_MAX_MS = 1_000

interface Home {
  readonly line: Line
  readonly subscriptions: Subscriptions
}

type Interruption = { readonly at: number; readonly reason: string }

/**
 * Shard channels: each is subscribed to at the server that has its slot, over one connection per server, and follows the
 * slot when that moves. A move is told as a gap, because messages in between may have been missed.
 */
export class ShardSubscriptions {
  private readonly homes = new Map<Node, Home>()
  /** Channels that are on their way to another server, and since when messages may be missed. */
  private readonly homeless = new Map<string, Interruption>()
  private timer: NodeJS.Timeout | undefined
  private retryMs = RETRY_MS
  private closed = false

  constructor(
    private readonly emitter: EventEmitter,
    private readonly options: ResolvedOptions,
    private readonly shards: Shards,
    private readonly report: (error: CenoteError) => void,
  ) {}

  get count(): number {
    return this.channels.length + this.homeless.size
  }

  private get channels(): readonly string[] {
    return [...this.homes.values()].flatMap(({ subscriptions }) => subscriptions.shardChannels)
  }

  get complaints(): readonly string[] {
    const refused = [...this.homes.values()].flatMap(({ subscriptions }) => subscriptions.complaints)
    const { size } = this.homeless
    return size === 0 ? refused : [...refused, `${size} shard channels wait for the server that has their slot`]
  }

  /** SSUBSCRIBE and SUNSUBSCRIBE, of channels in any slots. Resolves to the number of shard channels that there are. */
  dispatch(command: Command): void {
    const channels = command.args as readonly CommandArg[]
    const work = command.spec.name === 'ssubscribe' ? this.join(command, channels) : this.leave(command, channels)
    work.then(
      () => command.succeed(this.count),
      (error: Error) => command.fail(error),
    )
  }

  private async join(command: Command, channels: readonly CommandArg[]): Promise<void> {
    if (channels.length === 0) throw new ReplyError("ERR wrong number of arguments for 'ssubscribe' command")
    await Promise.all(bySlot(channels).map((group) => this.joinOne(command, group)))
  }

  /** Channels of one slot, at the server that turns out to have it. */
  private async joinOne(command: Command, channels: readonly CommandArg[]): Promise<void> {
    const slot = slotOf(channels[0]!)
    const until = command.timeoutMs > 0 ? monotonic() + command.timeoutMs : Number.POSITIVE_INFINITY
    for (let pause = RETRY_MS; ; pause = Math.min(RETRY_MAX_MS, pause * 2)) {
      const node = this.shards.nodeOf(slot)
      let refusal: Error | undefined
      if (node !== undefined) {
        try {
          await this.send(this.home(node), 'ssubscribe', channels, command.timeoutMs)
          return
        } catch (error) {
          if (!(error instanceof ReplyError) || !ELSEWHERE.has(error.kind)) throw error
          refusal = error
        }
      }
      if (this.closed) throw new ClosedError()
      if (monotonic() + pause > until) throw refusal ?? new ReplyError('CLUSTERDOWN Hash slot not served')
      this.shards.lookAgain()
      await new Promise((resolve) => setTimeout(resolve, pause))
    }
  }

  private async leave(command: Command, channels: readonly CommandArg[]): Promise<void> {
    const names = channels.length > 0 ? channels.map(toName) : [...this.channels, ...this.homeless.keys()]
    for (const name of names) this.homeless.delete(name)
    const work: Promise<unknown>[] = []
    for (const home of this.homes.values()) {
      const here = new Set(home.subscriptions.shardChannels)
      const leaving = names.filter((name) => here.has(name)).map(toBytes)
      for (const group of bySlot(leaving)) work.push(this.send(home, 'sunsubscribe', group, command.timeoutMs))
    }
    await Promise.all(work)
    this.tidy()
  }

  private send(home: Home, name: string, channels: readonly CommandArg[], timeoutMs: number): Promise<unknown> {
    const part = new Command(lookupCommand(name), [...channels], 0)
    part.timeoutMs = timeoutMs
    const promise = promiseOf(part)
    home.subscriptions.dispatch(part)
    return promise
  }

  private home(node: Node): Home {
    const known = this.homes.get(node)
    if (known !== undefined) return known
    const subscriptions: Subscriptions = new Subscriptions(
      this.emitter,
      (command) => line.send(command),
      this.options.autoResubscribe,
      (names) => this.onTaken(subscriptions, names),
      (names) => bySlot(names.map(toBytes)).map((group) => group.map(toName)),
    )
    // The first subscription opens the connection it waits for.
    const options = { ...node.options, enableOfflineQueue: true, autoResubscribe: this.options.autoResubscribe }
    const line = this.shards.openLineOn(
      node,
      options,
      {
        bound: true,
        onConnecting: () => undefined,
        onReady: () => subscriptions.restore(),
        onLost: (error, _willReconnect, silentMs) => {
          subscriptions.onLost(silentMs, error.message)
          this.shards.lookAgain()
        },
        onError: (error) => this.report(error),
        onPush: (connection: Connection, items) => void subscriptions.onPush(connection, items),
      },
      'shard subscriptions',
    )
    const home = { line, subscriptions }
    this.homes.set(node, home)
    return home
  }

  /** The server has ended subscriptions because it no longer has their slot. */
  private onTaken(from: Subscriptions, names: readonly string[]): boolean {
    if (this.closed || !this.options.autoResubscribe) return false
    const since = from.interruption ?? { at: wallClock(), reason: 'The slot of the channel moved to another server' }
    from.release(names)
    for (const name of names) if (!this.homeless.has(name)) this.homeless.set(name, since)
    this.shards.lookAgain()
    this.placeLater()
    return true
  }

  /** Servers told who has which slot: channels go where theirs is by now. */
  follow(): void {
    for (const [node, { subscriptions }] of this.homes) {
      const moved = subscriptions.shardChannels.filter((name) => this.shards.nodeOf(slotOf(toBytes(name))) !== node)
      if (moved.length > 0) this.onTaken(subscriptions, moved)
    }
    this.retryMs = RETRY_MS
    this.place()
  }

  private place(): void {
    const bySince = new Map<Node, Map<Interruption, string[]>>()
    for (const [name, since] of this.homeless) {
      const node = this.shards.nodeOf(slotOf(toBytes(name)))
      if (node === undefined) continue
      this.homeless.delete(name)
      const groups = bySince.get(node) ?? new Map<Interruption, string[]>()
      bySince.set(node, groups)
      groups.set(since, [...(groups.get(since) ?? []), name])
    }
    for (const [node, groups] of bySince) {
      for (const [since, names] of groups) this.home(node).subscriptions.adopt(names, since)
    }
    this.tidy()
    if (this.homeless.size > 0) this.placeLater()
  }

  private placeLater(): void {
    if (this.timer !== undefined || this.closed) return
    this.timer = setTimeout(() => {
      this.timer = undefined
      this.place()
    }, this.retryMs)
    this.timer.unref()
    this.retryMs = Math.min(RETRY_MAX_MS, this.retryMs * 2)
  }

  /** Connections that carry nothing any more. */
  private tidy(): void {
    for (const [node, { line, subscriptions }] of this.homes) {
      if (subscriptions.count > 0) continue
      this.homes.delete(node)
      line.destroy()
    }
  }

  destroy(): void {
    this.closed = true
    clearTimeout(this.timer)
    this.homeless.clear()
    for (const { line, subscriptions } of this.homes.values()) {
      subscriptions.forget()
      line.destroy()
    }
    this.homes.clear()
  }
}

/** Another server will take them, now or in a moment. */
const ELSEWHERE = new Set(['MOVED', 'ASK', 'CLUSTERDOWN', 'LOADING', 'TRYAGAIN'])

function bySlot(channels: readonly CommandArg[]): CommandArg[][] {
  const groups = new Map<number, CommandArg[]>()
  for (const channel of channels) {
    const slot = slotOf(channel)
    const group = groups.get(slot)
    if (group === undefined) groups.set(slot, [channel])
    else group.push(channel)
  }
  return [...groups.values()]
}

const toName = (arg: CommandArg): string => (typeof arg === 'string' ? Buffer.from(arg) : arg).toString('latin1')
const toBytes = (name: string): Buffer => Buffer.from(name, 'latin1')
