import type { Socket } from 'node:net'
import { CenoteError, ClosedError, ConnectionError, ProtocolError, ReplyError } from '../errors.js'
import { lookupCommand } from '../metadata/lookup.js'
import { monotonic, nextTick, setImmediate, wallClock } from '../timers.js'
import { Decoder, type DecoderOptions, type ReplySink } from '../wire/decode.js'
import { type ByteSink, CommandEncoder } from '../wire/encode.js'
import type { LoopClock } from './clock.js'
import {
  ASKING,
  BINARY,
  BLOCKING,
  Command,
  INTERNAL,
  PUSH_REPLY,
  SETTLED,
  TRANSACTION,
  WAITING,
  WRITTEN,
} from './command.js'
import { DroppedTransaction } from './dropped-transaction.js'
import type { CloseReason, ConnectionState, Leftovers, OwnerOf, ReplyObserver } from './owner.js'
import {
  type Endpoint,
  openSocket,
  SOCKET_HIGH_WATER_BYTES,
  type SocketEvents,
  type SocketOptions,
  socketError,
} from './socket.js'

export type { CloseReason, ConnectionState, Leftovers, ReplyObserver } from './owner.js'
export { describeEndpoint } from './socket.js'

/** Hears what its connection reports. */
export type ConnectionOwner = OwnerOf<Connection>

/** A batch goes to the socket at this size, so that a huge backlog never becomes one string. */
const BATCH_CHARACTERS = 64 * 1024

/** After so long without a byte, ms, a connection is asked for a sign of life before it is trusted with commands. */
const TRUSTED_MS = 5_000
/** After so long without a byte, ms, what has arrived is read before anything is written: it may be the server's end. */
const FRESH_MS = 1_000

const ASKING_SPEC = lookupCommand('asking')

let lastId = 0

/**
 * One socket with its queue. Commands stay in a single linked list from acceptance to reply: `head` owes the next
 * reply, `unwritten` is the first one not yet handed to the socket. Replies are matched by order alone, so a
 * command that was given up stays in the list as a tombstone until its reply has come.
 */
export class Connection implements ReplySink, ByteSink, SocketEvents {
  readonly id = ++lastId
  state: ConnectionState = 'connecting'
  /** Written commands whose replies are outstanding, tombstones included. */
  inFlight = 0
  /** Accepted commands not yet written. */
  queued = 0
  /** Replies received, those to tombstones included. */
  answered = 0
  /** Active time of the last byte received. */
  lastReadAt: number
  /** The same in real time, as two clocks show it: one stops while the machine sleeps, the other may jump. */
  private lastReadReal = monotonic()
  private lastReadWall = wallClock()
  /** Active time since which replies are owed without a break. */
  owedSince = 0
  readonly createdAt = monotonic()
  /** Lower bound of all deadlines in the queue: nothing can be due before it. */
  nextDeadline = Number.POSITIVE_INFINITY
  bytesRead = 0
  bytesWritten = 0
  /** Facts from the handshake. */
  protocol: 2 | 3 = 3
  serverId = 0
  serverVersion: string | undefined
  serverRole: string | undefined
  database = 0
  /** Messages come between replies, as ordinary values: RESP2 subscriptions and MONITOR. */
  subscriber = false
  closeReason: CloseReason | undefined
  /** Hashes of scripts this connection has sent in full. */
  readonly loadedScripts = new Set<string>()

  private head: Command | undefined
  private tail: Command | undefined
  private unwritten: Command | undefined
  /** The command just before `unwritten`, while it is still in the list. */
  private lastWritten: Command | undefined
  private flushScheduled = false
  private blocked = false
  private corked = false
  private encoding = false
  /** Nothing but internal commands is written until it opens. */
  private gated = false
  /** Nothing follows what is queued: the server is told so once it is written. */
  private ending = false
  private readonly dropped = new DroppedTransaction()
  private accepted: (() => void) | undefined
  private connected: (() => void) | undefined
  private readonly encoder: CommandEncoder
  private readonly decoder: Decoder
  private readonly socket: Socket

  constructor(
    readonly endpoint: Endpoint,
    socketOptions: SocketOptions,
    decoderOptions: DecoderOptions,
    private readonly clock: LoopClock,
    private readonly observer: ReplyObserver,
    public owner: ConnectionOwner,
  ) {
    this.lastReadAt = clock.refresh()
    this.encoder = new CommandEncoder(this)
    this.decoder = new Decoder(this, decoderOptions)
    this.socket = openSocket(endpoint, socketOptions, this)
  }

  /** Runs once somebody has accepted the socket, before TLS. */
  whenAccepted(callback: () => void): void {
    this.accepted = callback
  }

  onAccepted(): void {
    this.accepted?.()
    this.accepted = undefined
  }

  /** Runs once the socket is open and its TLS handshake done. */
  whenConnected(callback: () => void): void {
    this.connected = callback
  }

  onConnect(): void {
    this.connected?.()
    this.connected = undefined
  }

  /** The handshake succeeded: ordinary commands may flow. */
  markReady(): void {
    if (this.state === 'connecting') this.move('ready')
    this.scheduleFlush()
  }

  /** The command that owes the next reply. */
  get oldest(): Command | undefined {
    return this.head
  }

  /** The command accepted last, if it is not answered yet. */
  get newest(): Command | undefined {
    return this.tail
  }

  /** True while the socket takes no more bytes, so that what is accepted now stays in this process. */
  get congested(): boolean {
    return this.blocked
  }

  /** Bytes the socket has got rid of; grows while a large command is on its way. Undefined when none are waiting. */
  get bytesDelivered(): number | undefined {
    const { writableLength, bytesWritten } = this.socket
    return writableLength === 0 ? undefined : bytesWritten - writableLength
  }

  /** True when nothing was sent that is not answered, and no stray bytes wait: fit to be lent again. */
  get clean(): boolean {
    return this.state === 'ready' && this.head === undefined && !this.decoder.partial
  }

  send(command: Command): void {
    if (!this.flushScheduled) this.scheduleFlush()
    command.start(this.clock.now)
    if (command.deadline < this.nextDeadline) this.nextDeadline = command.deadline
    if (this.tail === undefined) this.head = command
    else this.tail.next = command
    this.tail = command
    if (this.unwritten === undefined) this.unwritten = command
    this.queued++
  }

  /**
   * A lone command leaves at the end of the current callback: nothing is gained by waiting. While replies are owed,
   * commands gather until the end of the event-loop turn, so that all callers of one turn share a write.
   */
  private scheduleFlush(): void {
    this.flushScheduled = true
    this.clock.refresh()
    this.clock.wake()
    if (this.inFlight > 0) setImmediate(this.flush)
    else if (this.clock.real - this.lastReadReal < FRESH_MS) nextTick(this.flush)
    else setImmediate(this.flushAfterReading)
  }

  /** From one check phase to the next there is a poll in between, wherever the turn had been. */
  private readonly flushAfterReading = (): void => {
    setImmediate(this.flush)
  }

  readonly flush = (): void => {
    this.flushScheduled = false
    if (this.blocked || this.state === 'closed') return
    const wasIdle = this.inFlight === 0
    if (wasIdle && !this.gated && this.state === 'ready' && this.isUntrusted) this.gated = this.owner.onUntrusted(this)
    const internalOnly = this.state === 'connecting' || this.gated
    const encoder = this.encoder
    this.encoding = true
    let command = this.unwritten
    let previous = this.lastWritten
    while (command !== undefined) {
      if (command.stage === SETTLED && !this.dropped.mustEnd(command)) {
        command = this.unlink(previous, command)
        continue
      }
      if (internalOnly && (command.flags & INTERNAL) === 0) break
      if (command.script !== undefined) command.script.prepare(command, this.loadedScripts)
      if ((command.flags & ASKING) !== 0) previous = this.ask(previous, command)
      encoder.add(command.spec.wireName, command.args, command.spec.plainName)
      if (command.stage !== SETTLED) command.stage = WRITTEN
      command.attempts++
      this.inFlight++
      this.queued--
      previous = command
      command = command.next
      if (encoder.length > BATCH_CHARACTERS) {
        encoder.flush()
        if (this.socket.writableLength > SOCKET_HIGH_WATER_BYTES) {
          this.blocked = true
          break
        }
      }
    }
    this.unwritten = command
    this.lastWritten = previous
    if (wasIdle && this.inFlight > 0) this.owedSince = this.clock.now
    this.encoding = false
    encoder.flush()
    if (this.corked) {
      this.corked = false
      this.socket.uncork()
    }
    if (this.socket.writableLength > SOCKET_HIGH_WATER_BYTES) this.blocked = true
    if (this.ending && this.unwritten === undefined) this.socket.end()
  }

  /** Written right before its command: with anything in between it would be that which is let in. */
  private ask(previous: Command | undefined, command: Command): Command {
    const asking = new Command(ASKING_SPEC, [], INTERNAL)
    asking.start(this.clock.now)
    asking.stage = WRITTEN
    asking.next = command
    if (previous === undefined) this.head = asking
    else previous.next = asking
    this.encoder.add(ASKING_SPEC.wireName, asking.args)
    this.inFlight++
    return asking
  }

  /** Nothing was heard for so long that a path which died meanwhile would swallow what is about to be written. */
  private get isUntrusted(): boolean {
    const next = this.unwritten
    if (next === undefined || (next.flags & INTERNAL) !== 0) return false
    // In the middle of a MULTI nothing else may be written.
    if ((next.flags & TRANSACTION) !== 0 && next.spec.name !== 'multi') return false
    return this.clock.real - this.lastReadReal > TRUSTED_MS || wallClock() - this.lastReadWall > TRUSTED_MS
  }

  /** Puts an internal command before all that is not written yet. */
  sendFirst(command: Command): void {
    command.start(this.clock.refresh())
    command.next = this.unwritten
    if (this.lastWritten === undefined) this.head = command
    else this.lastWritten.next = command
    if (this.unwritten === undefined) this.tail = command
    this.unwritten = command
    this.queued++
    if (!this.flushScheduled && !this.encoding) this.scheduleFlush()
  }

  /** Ends what {@link ConnectionOwner.onUntrusted} began. */
  openGate(): void {
    if (!this.gated) return
    this.gated = false
    if (!this.flushScheduled && this.state !== 'closed') this.scheduleFlush()
  }

  /** Takes back what was accepted and not written, in its order. Internal commands stay, and the rest of a MULTI begun. */
  takeUnsent(): Command | undefined {
    let taken: Command | undefined
    let last: Command | undefined
    let previous = this.lastWritten
    for (let command = this.unwritten; command !== undefined; ) {
      const next: Command | undefined = command.next
      if ((command.flags & INTERNAL) !== 0 || isBegun(command)) previous = command
      else {
        this.unlink(previous, command)
        if (last === undefined) taken = command
        else last.next = command
        last = command
      }
      command = next
    }
    this.unwritten = this.lastWritten === undefined ? this.head : this.lastWritten.next
    return taken
  }

  /** Drops a command that was given up before it was written; it never existed for the server. */
  private unlink(previous: Command | undefined, command: Command): Command | undefined {
    this.queued--
    const next = command.next
    if (previous === undefined) this.head = next
    else previous.next = next
    if (this.tail === command) this.tail = previous
    command.next = undefined
    return next
  }

  writeText(text: string, latin1: boolean): void {
    if (this.encoding && !this.corked) {
      this.corked = true
      this.socket.cork()
    }
    this.bytesWritten += text.length
    this.socket.write(text, latin1 ? 'latin1' : 'utf8')
  }

  writeBytes(bytes: Buffer): void {
    this.bytesWritten += bytes.length
    this.socket.write(bytes)
  }

  onDrain(): void {
    this.blocked = false
    if (!this.flushScheduled) this.flush()
  }

  onBytes(bytes: Buffer): void {
    if (this.state === 'closed') return
    this.bytesRead += bytes.length
    this.lastReadAt = this.clock.refresh()
    this.lastReadReal = this.clock.real
    this.lastReadWall = wallClock()
    this.expect(this.head)
    try {
      this.decoder.write(bytes)
    } catch (error) {
      const failure = error instanceof CenoteError ? error : new ProtocolError(`Decoding failed: ${String(error)}`)
      this.close('protocol-error', failure)
    }
  }

  onReply(value: unknown): void {
    const command = this.head
    if (command === undefined || command === this.unwritten) {
      this.onStrayReply(value)
      return
    }
    if (this.protocol === 2 && (this.subscriber || (command.flags & PUSH_REPLY) !== 0) && Array.isArray(value)) {
      this.owner.onPush(this, value)
      return
    }
    this.expect(this.shift(command))
    if (command.stage === SETTLED) return
    if (typeof value === 'object' && value !== null && value instanceof ReplyError) {
      const again = this.state !== 'closed' && command.script?.recovers(command, value, this.loadedScripts) === true
      if (again) this.send(command)
      else this.owner.onErrorReply(this, command, value)
      return
    }
    if ((command.flags & INTERNAL) === 0) this.observer.onReply(this.lastReadAt - command.startedAt)
    command.succeed(value)
  }

  /** Says how the next reply is to be decoded. */
  private expect(next: Command | undefined): void {
    this.decoder.binary = this.subscriber || (next !== undefined && (next.flags & BINARY) !== 0)
  }

  private shift(command: Command): Command | undefined {
    const next = command.next
    this.head = next
    command.next = undefined
    if (next === undefined) this.tail = undefined
    if (this.lastWritten === command) this.lastWritten = undefined
    this.inFlight--
    this.answered++
    if (this.inFlight === 0 && this.state === 'draining' && next === undefined) this.close('reconnect', draining())
    return next
  }

  private onStrayReply(value: unknown): void {
    if (value instanceof ReplyError) {
      // The server says why it hangs up before anything was asked, e.g. `ERR max number of clients reached`.
      this.close('server-closed', new ConnectionError(`The server closed the connection: ${value.message}`))
    } else if (this.subscriber) {
      this.owner.onPush(this, Array.isArray(value) ? value : ['monitor', value])
    } else {
      throw new ProtocolError('The server sent a reply that no command asked for')
    }
  }

  onPush(items: unknown[]): void {
    this.owner.onPush(this, items)
  }

  /** The command that owes the next reply, if it is one that push messages settle. */
  get pendingPushReply(): Command | undefined {
    const command = this.head
    return command !== undefined && command !== this.unwritten && (command.flags & PUSH_REPLY) !== 0
      ? command
      : undefined
  }

  /** Settles {@link pendingPushReply} once its last confirmation has come. */
  settlePushReply(value: unknown): void {
    const command = this.head!
    this.expect(this.shift(command))
    if (command.stage !== SETTLED) command.succeed(value)
  }

  /** True while the oldest outstanding command is one that waits at the server on purpose, and its caller with it. */
  get waitsOnPurpose(): boolean {
    const { head } = this
    return head !== undefined && (head.flags & BLOCKING) !== 0 && head.stage !== SETTLED
  }

  /** Visits queued and written commands, oldest first. */
  forEach(visit: (command: Command, written: boolean) => void): void {
    let written = true
    for (let command = this.head; command !== undefined; command = command.next) {
      if (command === this.unwritten) written = false
      visit(command, written)
    }
  }

  /** Takes no new commands and closes after the last reply. */
  drain(reason: CloseReason): void {
    if (this.state === 'closed') return
    if (this.head === undefined) this.close(reason, draining())
    else {
      this.move('draining')
      this.closeReason = reason
    }
  }

  /** Writes what was accepted, tells the server that nothing follows, and closes after the last reply. */
  finish(reason: CloseReason): void {
    this.drain(reason)
    if (this.state === 'closed') return
    this.ending = true
    if (!this.flushScheduled) this.flush()
  }

  /** Closes now. The owner gets back what was not answered. */
  close(reason: CloseReason, error: CenoteError): void {
    if (this.state === 'closed') return
    this.closeReason = this.state === 'draining' ? (this.closeReason ?? reason) : reason
    this.move('closed')
    this.socket.destroy()
    const leftovers = this.takeLeftovers()
    // Half-closed by its owner, who is told so and not that the server left: libraries match on ioredis' text.
    const cause = this.ending ? new ClosedError(undefined, undefined, { cause: error }) : error
    this.owner.onClosed(this, this.closeReason, cause, leftovers)
  }

  private takeLeftovers(): Leftovers {
    const unsent = this.unwritten
    const written = this.lastWritten === undefined ? undefined : this.head
    if (this.lastWritten !== undefined) this.lastWritten.next = undefined
    this.head = this.tail = this.unwritten = this.lastWritten = undefined
    this.inFlight = this.queued = 0
    return { written, unsent }
  }

  onClosed(error: Error | undefined): void {
    this.close(error === undefined ? 'server-closed' : 'socket-error', socketError(this.endpoint, error))
  }

  private move(state: ConnectionState): void {
    this.state = state
  }
}

/** Part of a transaction whose MULTI was written. */
const isBegun = ({ flags, batch }: Command): boolean =>
  (flags & TRANSACTION) !== 0 && batch?.members !== undefined && batch.members[0]!.stage !== WAITING

function draining(): CenoteError {
  return new ConnectionError('The connection was retired after its last reply')
}
