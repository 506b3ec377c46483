import type { EventEmitter } from 'node:events'
import { BINARY, Command, IDEMPOTENT, INTERNAL, PUSH_REPLY, promiseOf } from '../connection/command.js'
import type { Connection } from '../connection/connection.js'
import { isCenoteError, ReplyError } from '../errors.js'
import { lookupCommand } from '../metadata/lookup.js'
import { clearTimeout, setTimeout, wallClock } from '../timers.js'
import type { CommandArg } from '../wire/encode.js'
import { protectedly } from './foreign.js'

/** Subscriptions were interrupted. Messages published in between may have been missed; others arrive as before. */
export interface SubscriptionGap {
  /** Last moment at which the lost connection was known to be alive, ms since the epoch. */
  readonly from: number
  /** When every subscription was confirmed again, ms since the epoch; those that the server refuses aside. */
  readonly to: number
  readonly reason: string
}

type Kind = 'subscribe' | 'psubscribe' | 'ssubscribe'

const KINDS: readonly Kind[] = ['subscribe', 'psubscribe', 'ssubscribe']
const kindOf = (name: string): Kind => name.replace('un', '') as Kind

/** Names in one command while subscriptions are restored: few enough that one refusal does not take many along. */
const RESTORE_AT_ONCE = 1_000
/** What was refused at a restoration is tried again: soon, then ever less often, ms. */
const RETRY_MS = 1_000
const RETRY_MAX_MS = 30_000

/** What is known of one name. */
interface Interest {
  /** Callers whose SUBSCRIBE is under way. */
  asking: number
  confirmed: boolean
  /** Why the server does not restore it. */
  refused: string | undefined
}

/**
 * What a client is subscribed to, on one connection. Replies to SUBSCRIBE and its kin come as messages, one per channel;
 * the command is settled by its last one, with the number of subscriptions that are left, as the server counts them.
 */
export class Subscriptions {
  /** Names by their bytes, read as latin1, so that binary names survive. */
  private readonly wanted: Record<Kind, Map<string, Interest>> = {
    subscribe: new Map(),
    psubscribe: new Map(),
    ssubscribe: new Map(),
  }
  private current: Command | undefined
  private attempt = 0
  private confirmed = 0
  private lost: { at: number; reason: string } | undefined
  /** As the server counts them on the connection in use: channels and patterns together, shard channels for themselves. */
  private counted: { connection: Connection; ordinary: number; shard: number } | undefined
  private retryTimer: NodeJS.Timeout | undefined
  private retryMs = RETRY_MS

  /**
   * @param send puts a command on the connection that carries the subscriptions
   * @param onTaken a shard channel is no longer this server's: its slot has moved. True when somebody sees to it
   * @param shards shard channels that one command may name
   */
  constructor(
    private readonly emitter: EventEmitter,
    private readonly send: (command: Command) => void,
    private readonly restores: boolean,
    private readonly onTaken: (names: readonly string[]) => boolean = () => false,
    private readonly shards: (names: readonly string[]) => readonly (readonly string[])[] = (names) => [names],
  ) {}

  get count(): number {
    return KINDS.reduce((sum, kind) => sum + this.wanted[kind].size, 0)
  }

  /** What the server refuses to restore, in words; for `health()`. */
  get complaints(): readonly string[] {
    const refused = KINDS.flatMap((kind) => [...this.wanted[kind].values()].flatMap(({ refused }) => refused ?? []))
    if (refused.length === 0) return []
    return [`${refused.length} subscriptions could not be restored and are tried again: ${refused[0]}`]
  }

  /** Sends (P|S)SUBSCRIBE or (P|S)UNSUBSCRIBE. */
  dispatch(command: Command): void {
    const { name } = command.spec
    const names = this.wanted[kindOf(name)]
    const args = command.args as CommandArg[]
    if (name.includes('un')) {
      // The server would confirm each channel on its own, how many is its secret: name them.
      if (args.length === 0) for (const channel of names.keys()) args.push(toBytes(channel))
      for (const arg of args) names.delete(toName(arg))
    } else this.want(command, names, args.map(toName))
    command.flags |= PUSH_REPLY | IDEMPOTENT | BINARY
    this.send(command)
  }

  private want(command: Command, names: Map<string, Interest>, channels: readonly string[]): void {
    for (const channel of channels) {
      const interest = names.get(channel)
      if (interest === undefined) names.set(channel, { asking: 1, confirmed: false, refused: undefined })
      else interest.asking++
    }
    const { succeed, fail } = command
    command.succeed = (value) => {
      for (const channel of channels) {
        const interest = names.get(channel)
        if (interest === undefined) continue
        interest.asking--
        interest.confirmed = true
        interest.refused = undefined
      }
      succeed.call(command, value)
    }
    command.fail = (error) => {
      // Refused or never sent, nobody else asking, it is certainly not there. Else it may be, and others count on it.
      const certain = error instanceof ReplyError || (isCenoteError(error) && error.outcome === 'not-sent')
      for (const channel of channels) {
        const interest = names.get(channel)
        if (interest === undefined) continue
        interest.asking--
        if (certain && interest.asking === 0 && !interest.confirmed) names.delete(channel)
      }
      fail.call(command, error)
    }
  }

  /** True when the items were a matter of subscriptions. */
  onPush(connection: Connection, items: unknown[]): boolean {
    const kind = String(items[0])
    if (kind === 'message' || kind === 'smessage') this.deliver(kind, undefined, items[1], items[2])
    else if (kind === 'pmessage') this.deliver(kind, items[1], items[2], items[3])
    else if (/^[ps]?(?:un)?subscribe$/.test(kind)) this.confirm(connection, kind, items)
    else return false
    return true
  }

  private deliver(kind: string, pattern: unknown, channel: unknown, message: unknown): void {
    const { emitter } = this
    const place = pattern === undefined ? [] : [String(pattern)]
    if (emitter.listenerCount(kind) > 0) {
      protectedly(() => emitter.emit(kind, ...place, String(channel), String(message)))
    }
    const binary = `${kind}Buffer`
    if (emitter.listenerCount(binary) > 0) {
      protectedly(() => emitter.emit(binary, ...place, toBuffer(channel), toBuffer(message)))
    }
  }

  private confirm(connection: Connection, kind: string, items: unknown[]): void {
    const count = Number(items[2])
    this.tally(connection, kind, count)
    const command = connection.pendingPushReply
    if (command?.spec.name !== kind) {
      // Nobody asked: the server ended a shard subscription because its slot moved away.
      if (kind === 'sunsubscribe' && items[1] !== null) this.lose([toName(items[1] as Buffer)])
      return
    }
    if (this.current !== command || this.attempt !== command.attempts) {
      this.current = command
      this.attempt = command.attempts
      this.confirmed = 0
    }
    if (++this.confirmed < Math.max(1, command.args.length)) return
    this.current = undefined
    connection.settlePushReply(count)
  }

  private lose(names: readonly string[]): void {
    if (!names.some((name) => this.wanted.ssubscribe.has(name))) return
    if (!this.onTaken(names)) for (const name of names) this.wanted.ssubscribe.delete(name)
  }

  /** Shard channels that are subscribed to here, by their bytes read as latin1. */
  get shardChannels(): readonly string[] {
    return [...this.wanted.ssubscribe.keys()]
  }

  /** Since when messages may have been missed here, and why; undefined while all is well. */
  get interruption(): { at: number; reason: string } | undefined {
    return this.lost
  }

  /** Another server has these channels now. */
  release(names: readonly string[]): void {
    for (const name of names) this.wanted.ssubscribe.delete(name)
  }

  /** Takes over channels of another server, and tells from when to when messages may have been missed. */
  adopt(names: readonly string[], lost: { at: number; reason: string }): void {
    for (const name of names) {
      if (!this.wanted.ssubscribe.has(name))
        this.wanted.ssubscribe.set(name, { asking: 0, confirmed: false, refused: undefined })
    }
    const mine = new Set(names.map((name) => this.wanted.ssubscribe.get(name)))
    void this.restoreAll(lost, (interest) => mine.has(interest))
  }

  /** On RESP2 messages look like replies for as long as anything is subscribed, of either sort. */
  private tally(connection: Connection, kind: string, count: number): void {
    if (this.counted?.connection !== connection) this.counted = { connection, ordinary: 0, shard: 0 }
    if (kind.startsWith('s') && kind !== 'subscribe') this.counted.shard = count
    else this.counted.ordinary = count
    if (connection.protocol === 2) connection.subscriber = this.counted.ordinary + this.counted.shard > 0
  }

  /** The connection is gone; `silentMs` ago it was last heard of. */
  onLost(silentMs: number, reason: string): void {
    clearTimeout(this.retryTimer)
    if (this.count === 0 || this.lost !== undefined) return
    this.lost = { at: wallClock() - Math.round(silentMs), reason }
  }

  /** A new connection is there: subscribes anew, then tells from when to when messages may have been missed. */
  restore(): void {
    const { lost } = this
    this.lost = undefined
    if (lost === undefined) return
    this.retryMs = RETRY_MS
    if (this.restores) void this.restoreAll(lost, () => true)
    else for (const kind of KINDS) this.wanted[kind].clear()
  }

  private async restoreAll(
    lost: { at: number; reason: string },
    concerns: (interest: Interest) => boolean,
  ): Promise<void> {
    const parts: Promise<number>[] = []
    for (const kind of KINDS) {
      const names = [...this.wanted[kind]].flatMap(([name, interest]) => (concerns(interest) ? name : []))
      const groups = kind === 'ssubscribe' ? this.shards(names) : [names]
      for (const group of groups) {
        for (let i = 0; i < group.length; i += RESTORE_AT_ONCE) {
          parts.push(this.restoreSome(kind, group.slice(i, i + RESTORE_AT_ONCE)))
        }
      }
    }
    let restored = 0
    try {
      for (const count of await Promise.all(parts)) restored += count
    } catch {
      // Lost again: the next connection tries once more, and the gap goes on.
      this.lost ??= lost
      return
    }
    const gap: SubscriptionGap = { from: lost.at, to: wallClock(), reason: lost.reason }
    if (restored > 0) protectedly(() => this.emitter.emit('gap', gap))
    this.retryLater(lost)
  }

  /**
   * @returns how many of them are there again
   * @throws Error when the connection was lost
   */
  private async restoreSome(kind: Kind, names: readonly string[]): Promise<number> {
    const command = new Command(lookupCommand(kind), names.map(toBytes), PUSH_REPLY | INTERNAL | BINARY)
    const promise = promiseOf(command)
    this.send(command)
    try {
      await promise
    } catch (error) {
      if (!(error instanceof ReplyError)) throw error
      return this.onRefused(kind, names, error)
    }
    this.mark(kind, names, undefined)
    return names.length
  }

  /** One name that is not allowed must not take the others with it: the rest is found by halves. */
  private async onRefused(kind: Kind, names: readonly string[], error: ReplyError): Promise<number> {
    if (names.length > 1 && error.kind === 'NOPERM') {
      const half = Math.ceil(names.length / 2)
      const parts = [names.slice(0, half), names.slice(half)].map((part) => this.restoreSome(kind, part))
      const [first = 0, second = 0] = await Promise.all(parts)
      return first + second
    }
    if (error.kind === 'MOVED' && kind === 'ssubscribe' && this.onTaken(names)) return 0
    this.mark(kind, names, error.message)
    if (this.emitter.listenerCount('error') > 0) protectedly(() => this.emitter.emit('error', error))
    return 0
  }

  private mark(kind: Kind, names: readonly string[], refused: string | undefined): void {
    for (const name of names) {
      const interest = this.wanted[kind].get(name)
      if (interest === undefined) continue
      interest.refused = refused
      interest.confirmed = refused === undefined
    }
  }

  private retryLater(lost: { at: number; reason: string }): void {
    if (this.complaints.length === 0) return
    clearTimeout(this.retryTimer)
    this.retryTimer = setTimeout(() => {
      void this.restoreAll(lost, ({ refused }) => refused !== undefined)
    }, this.retryMs)
    this.retryTimer.unref()
    this.retryMs = Math.min(RETRY_MAX_MS, this.retryMs * 2)
  }

  forget(): void {
    clearTimeout(this.retryTimer)
    for (const kind of KINDS) this.wanted[kind].clear()
    this.lost = undefined
  }
}

const toName = (arg: CommandArg): string => (typeof arg === 'string' ? Buffer.from(arg) : arg).toString('latin1')
const toBytes = (name: string): Buffer => Buffer.from(name, 'latin1')
const toBuffer = (value: unknown): Buffer => (Buffer.isBuffer(value) ? value : Buffer.from(String(value)))
