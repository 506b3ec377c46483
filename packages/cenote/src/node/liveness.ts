import type { LoopClock } from '../connection/clock.js'
import { BLOCKING, SETTLED } from '../connection/command.js'
import type { Connection } from '../connection/connection.js'
import { newPing, sendInternalCommand } from '../connection/internal.js'
import { type CenoteError, ConnectionError, isCenoteError, ProtocolError, ReplyError } from '../errors.js'
import { isReadOnlyCall } from '../metadata/lookup.js'
import { type Dial, evidenceOf } from './dial.js'
import type { Dialer } from './dialer.js'
import type { Entry } from './entry.js'
import type { Permits } from './permits.js'
import { heldByServer, listKnown } from './witness.js'

/** What is known of a connection that was asked. `unknown`: it could not be asked, or the answer proves nothing. */
export type Verdict = 'alive' | 'dead' | 'unknown'

/** How long a probe may take at least, ms; with a second of silence before it, a dead connection is noticed within two. */
const PROBE_TIMEOUT_MS = 800
/** Pause between probes while the server stays busy or unreachable. */
const REPROBE_MS = 500
/** How long after its deadline a command may hold up the others on its connection. */
const GIVEN_UP_MS = 2_000
/** An idle connection that has not answered by then is not waited for by those who could have another. */
export const PATIENCE_MS = 50

/** How often a busy connection is asked for its word, ms, and after how many replies at the earliest. */
const CHECKPOINT_MS = 250
/** With few commands under way a shifted stream shows as silence. */
const CHECKPOINT_REPLIES = 64

let serial = 0

/** What is remembered of a connection under way. */
interface Watched {
  /** Bytes that had left this process when last looked at, and when. */
  delivered: number
  deliveredAt: number
  /** The next checkpoint, by time and by replies. */
  nextAt: number
  nextAnswered: number
  asked: Promise<Verdict> | undefined
}

/**
 * Whether connections live. The one place that sends PINGs on connections in use, because a PING inside somebody's MULTI
 * becomes part of it, and one behind a command that waits at the server says nothing.
 *
 * Silence alone proves nothing either. When replies are owed and none comes, a new connection asks the server: it answers
 * and does not hold our command: ours is dead. Nobody accepts: the path is down. It accepts and stays silent, or holds
 * our command (a pause, a slow script), or may not tell us: everyone waits for the deadlines.
 */
export class Liveness {
  private readonly suspects = new Set<Entry>()
  private readonly watched = new WeakMap<Entry, Watched>()
  /** Idle connections that owe the reply to our question. */
  private readonly asked = new Set<Entry>()
  private probing = false
  private nextProbeAt = 0

  /** @param thresholdMs silence after which a connection that owes replies is looked into; 0: never */
  constructor(
    private readonly thresholdMs: number,
    private readonly clock: LoopClock,
    private readonly dialer: Dialer,
    private readonly dial: Dial,
    private readonly permits: Permits,
    private readonly onSilent: () => void = () => undefined,
  ) {}

  /** Called on each tick for each connection in use. */
  inspect(entry: Entry, now: number): void {
    const { connection } = entry
    if (this.thresholdMs === 0 || connection.inFlight === 0 || connection.waitsOnPurpose) return
    // On a path where a dial takes long, a reply may too.
    const silence = Math.max(this.thresholdMs, this.dialer.usualMs)
    if (now - Math.max(connection.lastReadAt, connection.owedSince) < silence) return
    if (this.stillSending(entry, now)) return
    this.suspects.add(entry)
    this.onSilent()
    if (!this.probing && now >= this.nextProbeAt) void this.probe()
  }

  /** Looks after the idle connections that were asked; returns whether any still owes its answer. */
  tick(now: number): boolean {
    for (const entry of this.asked) this.inspect(entry, now)
    return this.asked.size > 0
  }

  /**
   * Asks for a sign of life; any reply, even a refusal, is one. `alive` within a round trip, `dead` once that is proven
   * and the connection closed. While the server is busy the question stays open.
   * @param first goes before what waits to be written
   */
  ask(entry: Entry, first = false): Promise<Verdict> {
    if (!entry.isOpen) return Promise.resolve('dead')
    const watched = this.watch(entry)
    // What is owed comes first, and the watchdog sees to it.
    const owes = entry.inTransaction || entry.connection.inFlight > 0
    if (watched.asked === undefined && owes) return Promise.resolve('unknown')
    watched.asked ??= this.send(entry, first)
    return watched.asked
  }

  private async send(entry: Entry, first: boolean): Promise<Verdict> {
    this.asked.add(entry)
    try {
      await sendInternalCommand(entry.connection, newPing(), first)
      return 'alive'
    } catch (error) {
      return error instanceof ReplyError ? 'alive' : 'dead'
    } finally {
      this.asked.delete(entry)
      this.watch(entry).asked = undefined
    }
  }

  /**
   * Commands are about to be written to a connection that was silent for long. They are held back until it has answered:
   * a path that died meanwhile would swallow them, and nobody could tell whether they ran.
   * @returns whether they may go now
   */
  isTrusted(entry: Entry): boolean {
    if (entry.inTransaction || !entry.isOpen) return true
    const { connection } = entry
    void this.ask(entry, true).then(() => connection.openGate())
    return false
  }

  /** Round trip of a PING, ms; undefined when none came in time. What is owed before it is part of the trip. */
  async latency(entry: Entry, timeoutMs: number): Promise<number | undefined> {
    const startedAt = this.clock.refresh()
    if (entry.inTransaction) return undefined
    return new Promise((resolve) => {
      const alarm = this.clock.alarm(timeoutMs, () => resolve(undefined), true)
      sendInternalCommand(entry.connection, newPing())
        .then(
          () => resolve(this.clock.refresh() - startedAt),
          (error: unknown) => resolve(error instanceof ReplyError ? this.clock.refresh() - startedAt : undefined),
        )
        .finally(() => alarm.cancel())
    })
  }

  /**
   * Replies carry no names: when a middle box swallows or doubles one, every later reply reaches the wrong caller and
   * nothing ever looks wrong. So now and then a PING carries a word that its reply must bring back; if it brings anything
   * else, the stream has shifted and the connection is closed.
   */
  checkpoint(entry: Entry, now: number): void {
    const { connection } = entry
    const watched = this.watch(entry)
    if (connection.answered < watched.nextAnswered || now < watched.nextAt) return
    if (connection.subscriber || entry.inTransaction || connection.state !== 'ready') return
    watched.nextAt = Number.POSITIVE_INFINITY
    const word = `cenote-${++serial}`
    sendInternalCommand(connection, newPing(word))
      .then(
        (reply) => {
          // RESP2 subscriptions answer PING with a pair.
          if (reply !== word && !Array.isArray(reply)) connection.close('protocol-error', shifted())
        },
        (error: unknown) => {
          // A refusal (ACL) proves nothing, and a lost connection has reported itself.
          if (!isCenoteError(error)) throw error
        },
      )
      .finally(() => {
        watched.nextAt = this.clock.now + CHECKPOINT_MS
        watched.nextAnswered = connection.answered + CHECKPOINT_REPLIES
      })
  }

  /**
   * Connections whose command waits at the server are silent on purpose, so nothing would show that they are dead. The
   * server is asked over another one whether it still knows them.
   */
  async checkWaiting(entries: readonly Entry[], messenger: Connection | undefined): Promise<void> {
    const waiting = entries.filter(({ connection }) => isWaiting(connection) && connection.serverId > 0)
    if (messenger === undefined || waiting.length === 0) return
    const known = await listKnown(
      messenger,
      waiting.map(({ connection }) => connection.serverId),
    )
    if (known === undefined) return
    for (const { connection } of waiting) {
      if (known.has(connection.serverId) || !isWaiting(connection)) continue
      connection.close(
        'health-check',
        new ConnectionError('The server no longer knows the connection that waited on it'),
      )
    }
  }

  private watch(entry: Entry): Watched {
    let watched = this.watched.get(entry)
    if (watched === undefined) {
      const { answered } = entry.connection
      watched = {
        delivered: -1,
        deliveredAt: 0,
        nextAt: 0,
        nextAnswered: answered + CHECKPOINT_REPLIES,
        asked: undefined,
      }
      this.watched.set(entry, watched)
    }
    return watched
  }

  /** A large command on a slow path has no reply yet because the server has not seen its end. */
  private stillSending(entry: Entry, now: number): boolean {
    const delivered = entry.connection.bytesDelivered
    const watched = this.watch(entry)
    if (delivered !== undefined && watched.delivered !== delivered) {
      watched.delivered = delivered
      watched.deliveredAt = now
      return true
    }
    return watched.delivered >= 0 && now - watched.deliveredAt < this.thresholdMs
  }

  private async probe(): Promise<void> {
    if (!this.permits.takeReserve()) return
    this.probing = true
    const startedAt = this.clock.now
    // On a path where a dial takes long, so does an answer.
    const timeoutMs = Math.max(PROBE_TIMEOUT_MS, 2 * this.dialer.usualMs)
    let fresh: Connection | undefined
    let failure: CenoteError | undefined
    try {
      fresh = await this.dialer.open(this.dial, timeoutMs)
      const held = await this.question(fresh, timeoutMs)
      this.judge(this.dialer.adopt(fresh), held, startedAt)
    } catch (error) {
      failure = error as CenoteError
      fresh?.close('doubtful', failure)
    }
    this.permits.giveReserve()
    this.probing = false
    // A connection that was greeted and then stays silent: the server is busy.
    if (failure !== undefined && fresh === undefined) this.judgeFailure(failure, startedAt)
    this.nextProbeAt = this.clock.refresh() + REPROBE_MS
    this.suspects.clear()
  }

  /** Ids of connections whose command the server is holding or reading; see {@link heldByServer}. */
  private async question(fresh: Connection, timeoutMs: number): Promise<ReadonlySet<number> | 'busy' | 'untold'> {
    const alarm = this.clock.alarm(timeoutMs, () => {
      fresh.close('doubtful', new ConnectionError('The server accepts connections and stays silent'))
    })
    try {
      return await heldByServer(
        fresh,
        [...this.suspects].map(({ connection }) => connection.serverId),
      )
    } finally {
      alarm.cancel()
    }
  }

  private judge(fresh: Entry, held: ReadonlySet<number> | 'busy' | 'untold', since: number): void {
    let spare: Entry | undefined = fresh
    for (const entry of this.stillSilent(since)) {
      if (held === 'busy' || !this.isProven(entry, held)) continue
      const error = new ConnectionError(
        `the connection was silent for over ${this.thresholdMs} ms while the server answers new ones`,
      )
      if (entry.holder.onDead(entry, error, spare)) spare = undefined
    }
    spare?.connection.close('watchdog', new ConnectionError('The probe of the watchdog is done'))
  }

  /** The server answers others; whether that proves that this connection will not be answered any more. */
  private isProven({ connection }: Entry, held: ReadonlySet<number> | 'untold'): boolean {
    const { oldest } = connection
    if (oldest === undefined) return true
    // The server may hold a command whose caller has long gone: those behind it should not wait for it any longer.
    if (oldest.stage === SETTLED && this.clock.now - oldest.deadline > GIVEN_UP_MS) return true
    if (held !== 'untold' && connection.serverId > 0) return !held.has(connection.serverId)
    // A pause holds writes and scripts back, but no reads; and it would have held our question.
    return (oldest.flags & BLOCKING) === 0 && isReadOnlyCall(oldest.spec, oldest.args)
  }

  private judgeFailure(error: CenoteError, since: number): void {
    const evidence = evidenceOf(error)
    if (evidence === 'none' || evidence === 'answered') return
    for (const entry of this.stillSilent(since)) {
      if (evidence === 'gone') entry.holder.onDead(entry, error, undefined)
      else entry.holder.onPathDown(entry)
    }
  }

  private stillSilent(since: number): Entry[] {
    return [...this.suspects].filter(({ isOpen, connection }) => isOpen && connection.lastReadAt < since)
  }
}

const isWaiting = ({ oldest }: Connection): boolean => oldest !== undefined && (oldest.flags & BLOCKING) !== 0

function shifted(): ProtocolError {
  return new ProtocolError(
    'The replies of the server no longer match the commands; something between here and there swallowed or doubled one',
  )
}
