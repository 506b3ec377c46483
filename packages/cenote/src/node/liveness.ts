import type { LoopClock } from '../connection/clock.js'
import { SETTLED } from '../connection/command.js'
import type { Connection } from '../connection/connection.js'
import { HandshakeError, sendInternal } from '../connection/handshake.js'
import { type CenoteError, ConnectionError, ReplyError } from '../errors.js'
import type { ConnectionBudget } from './budget.js'
import { NO_GREETING, NOT_ACCEPTED } from './dial.js'
import type { Dialer } from './dialer.js'

/** How long a probe may take; with one second of silence before it, a dead connection is noticed within two. */
const PROBE_TIMEOUT_MS = 800
/** Pause between probes while the server stays busy or unreachable. */
const REPROBE_MS = 500
/** How long after its deadline a command may hold up the others on its connection. */
const GIVEN_UP_MS = 2_000
/** Errors that prove nobody listens there any more, unlike packets that merely vanish. */
const GONE = new Set(['ECONNREFUSED', 'ENOENT', 'ECONNRESET', 'EPIPE'])

/** Has a connection under suspicion, and acts on a proven verdict. */
export interface SuspectOwner {
  /** The connection is dead. `fresh` is a proven one that may take its place; true when it was taken. */
  replace(dead: Connection, error: CenoteError, fresh: Connection | undefined): boolean
  /** The path is down; the connection may come back with it. */
  suspend(silent: Connection): void
}

interface Progress {
  delivered: number
  at: number
}

/**
 * Finds connections that owe replies and read nothing. Silence alone proves nothing, so it asks on a new connection:
 * the server answers and does not know of work on ours: ours is dead. Nobody accepts: the server or the path is down.
 * It accepts and stays silent, or says it is holding our command (pause, slow script): busy, so everyone waits for the
 * deadlines.
 */
export class Watchdog {
  private readonly suspects = new Map<Connection, SuspectOwner>()
  private readonly progress = new WeakMap<Connection, Progress>()
  private probing = false
  private nextProbeAt = 0

  constructor(
    private readonly thresholdMs: number,
    private readonly clock: LoopClock,
    private readonly dialer: Dialer,
    private readonly budget: ConnectionBudget,
  ) {}

  /** Called on each tick for each connection that owes replies. */
  inspect(connection: Connection, now: number, owner: SuspectOwner): void {
    if (this.thresholdMs === 0 || connection.inFlight === 0 || connection.waitsOnPurpose) return
    if (now - Math.max(connection.lastReadAt, connection.owedSince) < this.thresholdMs) return
    if (this.stillSending(connection, now)) return
    this.suspects.set(connection, owner)
    if (!this.probing && now >= this.nextProbeAt) void this.probe()
  }

  /** A large command on a slow path has no reply yet because the server has not seen its end. */
  private stillSending(connection: Connection, now: number): boolean {
    const delivered = connection.bytesDelivered
    const known = this.progress.get(connection)
    if (delivered !== undefined && (known === undefined || known.delivered !== delivered)) {
      this.progress.set(connection, { delivered, at: now })
      return true
    }
    return known !== undefined && now - known.at < this.thresholdMs
  }

  private async probe(): Promise<void> {
    if (!this.budget.takeReserve()) return
    this.probing = true
    const startedAt = this.clock.now
    let fresh: Connection | undefined
    let failure: CenoteError | undefined
    try {
      fresh = await this.dialer.dial(PROBE_TIMEOUT_MS)
      await this.judge(fresh, startedAt)
    } catch (error) {
      failure = error as CenoteError
      fresh?.close('doubtful', failure)
    }
    this.budget.giveReserve()
    this.probing = false
    if (failure !== undefined) this.judgeFailure(failure, fresh === undefined, startedAt)
    this.nextProbeAt = this.clock.refresh() + REPROBE_MS
    this.suspects.clear()
  }

  private async judge(fresh: Connection, since: number): Promise<void> {
    const held = await this.heldByServer(fresh)
    let spare: Connection | undefined = fresh
    for (const [connection, owner] of this.stillSilent(since)) {
      if (held === undefined || (held.has(connection.serverId) && !this.isGivenUp(connection))) continue
      const error = new ConnectionError(
        `the connection was silent for over ${this.thresholdMs} ms while the server answers new ones`,
      )
      if (owner.replace(connection, error, spare)) spare = undefined
    }
    spare?.close('watchdog', new ConnectionError('The probe of the watchdog is done'))
  }

  /** The server holds a command whose caller has long gone: those behind it should not wait for it any longer. */
  private isGivenUp({ oldest }: Connection): boolean {
    return oldest !== undefined && oldest.stage === SETTLED && this.clock.now - oldest.deadline > GIVEN_UP_MS
  }

  /** Ids of connections whose command the server is holding or reading; undefined when it is busy altogether. */
  private async heldByServer(fresh: Connection): Promise<Set<number> | undefined> {
    const timeout = setTimeout(() => {
      fresh.close('doubtful', new ConnectionError('The server accepts connections and stays silent'))
    }, PROBE_TIMEOUT_MS)
    try {
      await sendInternal(fresh, 'ping')
      const list = await this.listSuspects(fresh)
      const held = new Set<number>()
      for (const line of list.split('\n')) {
        const field = (name: string) => new RegExp(` ${name}=(\\S*)`).exec(line)?.[1] ?? ''
        const receiving = Number(field('qbuf')) > 0 && Number(field('idle')) <= 1
        if (receiving || field('flags').includes('b')) held.add(Number(/^id=(\d+)/.exec(line)?.[1]))
      }
      return held
    } catch (error) {
      if (!(error instanceof ReplyError)) throw error
      // A user who may not list clients still learns that the server answers; one who is told BUSY must wait.
      return error.kind === 'BUSY' || error.kind === 'LOADING' ? undefined : new Set()
    } finally {
      clearTimeout(timeout)
    }
  }

  /** Only ours: a server with thousands of clients has better things to do than list them all. */
  private async listSuspects(fresh: Connection): Promise<string> {
    const ids = [...this.suspects.keys()].map(({ serverId }) => serverId).filter((id) => id > 0)
    if (ids.length > 0) {
      try {
        return String(await sendInternal(fresh, 'client', 'LIST', 'ID', ...ids.map(String)))
      } catch (error) {
        // Servers before 6.2 know no ID here.
        if (!(error instanceof ReplyError) || error.kind !== 'ERR') throw error
      }
    }
    return String(await sendInternal(fresh, 'client', 'LIST'))
  }

  private judgeFailure(error: CenoteError, dialling: boolean, since: number): void {
    const code = ((error.cause as NodeJS.ErrnoException | undefined)?.code ?? '') as string
    const gone = GONE.has(code)
    const answered = !dialling || error.code === NO_GREETING || error instanceof HandshakeError
    if (answered && !gone) return
    for (const [connection, owner] of this.stillSilent(since)) {
      if (gone && error.code !== NOT_ACCEPTED) owner.replace(connection, error, undefined)
      else owner.suspend(connection)
    }
  }

  private stillSilent(since: number): [Connection, SuspectOwner][] {
    return [...this.suspects].filter(([connection]) => connection.state !== 'closed' && connection.lastReadAt < since)
  }
}
