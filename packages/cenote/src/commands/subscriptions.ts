import type { EventEmitter } from 'node:events'
import { BINARY, Command, IDEMPOTENT, PUSH_REPLY, promiseOf } from '../connection/command.js'
import type { Connection } from '../connection/connection.js'
import { ReplyError } from '../errors.js'
import { lookupCommand } from '../metadata/lookup.js'
import type { CommandArg } from '../wire/encode.js'
import { protectedly } from './args.js'

/** Subscriptions were interrupted. Messages published in between may have been missed; others arrive as before. */
export interface SubscriptionGap {
  /** Last moment at which the lost connection was known to be alive, ms since the epoch. */
  readonly from: number
  /** When every subscription was confirmed again, ms since the epoch. */
  readonly to: number
  readonly reason: string
}

type Kind = 'subscribe' | 'psubscribe' | 'ssubscribe'

const KINDS: readonly Kind[] = ['subscribe', 'psubscribe', 'ssubscribe']
const kindOf = (name: string): Kind => name.replace('un', '') as Kind

/**
 * What a client is subscribed to, on one connection. Replies to SUBSCRIBE and its kin come as messages, one per channel;
 * the command is settled by its last one, with the number of subscriptions that are left, as the server counts them.
 */
export class Subscriptions {
  /** Names by their bytes, read as latin1, so that binary names survive. */
  private readonly wanted: Record<Kind, Set<string>> = {
    subscribe: new Set(),
    psubscribe: new Set(),
    ssubscribe: new Set(),
  }
  private current: Command | undefined
  private attempt = 0
  private confirmed = 0
  private lost: { at: number; reason: string } | undefined

  /** @param send puts a command on the connection that carries the subscriptions */
  constructor(
    private readonly emitter: EventEmitter,
    private readonly send: (command: Command) => void,
    private readonly restores: boolean,
  ) {}

  get count(): number {
    return KINDS.reduce((sum, kind) => sum + this.wanted[kind].size, 0)
  }

  /** Sends (P|S)SUBSCRIBE or (P|S)UNSUBSCRIBE. */
  dispatch(command: Command): void {
    const { name } = command.spec
    const names = this.wanted[kindOf(name)]
    const args = command.args as CommandArg[]
    if (name.includes('un')) {
      // The server would confirm each channel on its own, how many is its secret: name them.
      if (args.length === 0) args.push(...[...names].map(toBytes))
      for (const arg of args) names.delete(toName(arg))
    } else {
      const added = args.map(toName).filter((channel) => !names.has(channel))
      for (const channel of added) names.add(channel)
      forgetIfRefused(command, names, added)
    }
    command.flags |= PUSH_REPLY | IDEMPOTENT | BINARY
    this.send(command)
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
    // What a listener throws is its own affair; here it would look like bytes that cannot be decoded.
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
    if (connection.protocol === 2) connection.subscriber = count > 0
    const command = connection.pendingPushReply
    if (command?.spec.name !== kind) {
      // Nobody asked: the server ended a shard subscription because its slot moved away.
      if (kind === 'sunsubscribe' && items[1] !== null) this.wanted.ssubscribe.delete(toName(items[1] as Buffer))
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

  /** The connection is gone; `silentMs` ago it was last heard of. */
  onLost(silentMs: number, reason: string): void {
    if (this.count === 0 || this.lost !== undefined) return
    this.lost = { at: Date.now() - Math.round(silentMs), reason }
  }

  /** A new connection is there: subscribes anew, then tells from when to when messages may have been missed. */
  restore(): void {
    const { lost } = this
    this.lost = undefined
    if (lost === undefined) return
    if (!this.restores) {
      for (const kind of KINDS) this.wanted[kind].clear()
      return
    }
    const replies: Promise<unknown>[] = []
    for (const kind of KINDS) {
      const names = [...this.wanted[kind]]
      if (names.length === 0) continue
      const command = new Command(lookupCommand(kind), names.map(toBytes), PUSH_REPLY | IDEMPOTENT | BINARY)
      replies.push(promiseOf(command))
      this.send(command)
    }
    Promise.all(replies).then(
      () => {
        const gap: SubscriptionGap = { from: lost.at, to: Date.now(), reason: lost.reason }
        protectedly(() => this.emitter.emit('gap', gap))
      },
      (error: Error) => {
        // Lost again, or refused: the next connection tries once more, and the gap goes on.
        this.lost ??= lost
        if (error instanceof ReplyError && this.emitter.listenerCount('error') > 0) this.emitter.emit('error', error)
      },
    )
  }

  forget(): void {
    for (const kind of KINDS) this.wanted[kind].clear()
    this.lost = undefined
  }
}

/** What the server refused must not be asked for again after a reconnect, together with all the rest. */
function forgetIfRefused(command: Command, names: Set<string>, added: readonly string[]): void {
  const { fail } = command
  command.fail = (error) => {
    for (const channel of added) names.delete(channel)
    fail.call(command, error)
  }
}

const toName = (arg: CommandArg): string => (typeof arg === 'string' ? Buffer.from(arg) : arg).toString('latin1')
const toBytes = (name: string): Buffer => Buffer.from(name, 'latin1')
const toBuffer = (value: unknown): Buffer => (Buffer.isBuffer(value) ? value : Buffer.from(String(value)))
