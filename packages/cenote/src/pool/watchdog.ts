import type { LoopClock } from '../connection/clock.js'
import type { Connection } from '../connection/connection.js'
import { sendInternal } from '../connection/handshake.js'
import { type CenoteError, ConnectionError, ReplyError } from '../errors.js'
import type { Dialer } from './dialer.js'

/** How long a probe may take; with one second of silence before it, a dead connection is noticed within two. */
const PROBE_TIMEOUT_MS = 800
/** Pause between probes while the server stays busy or unreachable. */
const REPROBE_MS = 500
/** Errors that prove nobody listens there any more, unlike packets that merely vanish. */
const GONE = new Set(['ECONNREFUSED', 'ENOENT', 'ECONNRESET', 'EPIPE'])

export type ProbeVerdict = 'dead' | 'server-down' | 'busy'

/** A connection under suspicion, and what to do with a proven verdict. */
export interface Suspect {
  readonly connection: Connection
  /** Close it; `fresh` is a proven connection that may take its place, at most one suspect gets it. */
  replace(error: CenoteError, fresh: Connection | undefined): boolean
}

/**
 * Finds connections that owe replies and read nothing. Silence alone proves nothing, so it asks on a new connection:
 * the server answers and does not know of work on ours: ours is dead. Nobody listens: the server is gone. It connects
 * and stays silent, or says it is holding our command (pause, slow script): busy, so everyone waits for the deadlines.
 */
export class Watchdog {
  lastVerdict: ProbeVerdict | undefined
  private readonly suspects = new Map<Connection, Suspect>()
  private probing = false
  private nextProbeAt = 0

  constructor(
    private readonly thresholdMs: number,
    private readonly clock: LoopClock,
    private readonly dialer: Dialer,
  ) {}

  /** Called on each tick for each connection that owes replies. */
  inspect(connection: Connection, now: number, replace: Suspect['replace']): void {
    if (this.thresholdMs === 0 || connection.inFlight === 0 || connection.waitsOnPurpose) return
    if (now - Math.max(connection.lastReadAt, connection.owedSince) < this.thresholdMs) return
    this.suspects.set(connection, { connection, replace })
    if (!this.probing && now >= this.nextProbeAt) void this.probe()
  }

  private async probe(): Promise<void> {
    this.probing = true
    const startedAt = this.clock.now
    try {
      let fresh: Connection | undefined
      try {
        fresh = await this.dialer.dial(PROBE_TIMEOUT_MS)
        await this.judge(fresh, startedAt)
      } catch (error) {
        this.judgeFailure(error as CenoteError, startedAt)
        fresh?.close('doubtful', error as CenoteError)
      }
    } finally {
      this.probing = false
      this.nextProbeAt = this.clock.refresh() + REPROBE_MS
      this.suspects.clear()
    }
  }

  private async judge(fresh: Connection, since: number): Promise<void> {
    const held = await this.heldByServer(fresh)
    let spare: Connection | undefined = fresh
    this.lastVerdict = held === undefined ? 'busy' : 'dead'
    for (const suspect of this.stillSilent(since)) {
      if (held === undefined || held.has(suspect.connection.serverId)) continue
      const error = new ConnectionError(
        `the connection was silent for over ${this.thresholdMs} ms while the server answers new ones`,
      )
      if (suspect.replace(error, spare)) spare = undefined
    }
    spare?.close('watchdog', new ConnectionError('The probe of the watchdog is done'))
  }

  /** Ids of connections whose command the server is holding on purpose; undefined when it is busy altogether. */
  private async heldByServer(fresh: Connection): Promise<Set<number> | undefined> {
    const timeout = setTimeout(() => {
      fresh.close('doubtful', new ConnectionError('The server accepts connections and stays silent'))
    }, PROBE_TIMEOUT_MS)
    try {
      await sendInternal(fresh, 'ping')
      const list = String(await sendInternal(fresh, 'client', 'LIST'))
      const held = new Set<number>()
      for (const line of list.split('\n')) {
        const flags = / flags=(\S*)/.exec(line)?.[1] ?? ''
        if (flags.includes('b')) held.add(Number(/^id=(\d+)/.exec(line)?.[1]))
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

  private judgeFailure(error: CenoteError, since: number): void {
    const code = ((error.cause as NodeJS.ErrnoException | undefined)?.code ?? '') as string
    this.lastVerdict = GONE.has(code) ? 'server-down' : 'busy'
    if (!GONE.has(code)) return
    for (const suspect of this.stillSilent(since)) suspect.replace(error, undefined)
  }

  private stillSilent(since: number): Suspect[] {
    return [...this.suspects.values()].filter(
      ({ connection }) => connection.state !== 'closed' && connection.lastReadAt < since,
    )
  }
}
