import type { ResolvedOptions } from '../config/options.js'
import type { Alarm } from '../connection/clock.js'
import type { CloseReason } from '../connection/connection.js'
import { type CenoteError, ClosedError, ConnectionError } from '../errors.js'
import { clearTimeout, setTimeout } from '../timers.js'
import type { Dial } from './dial.js'
import type { DialRequest } from './dialer.js'
import type { Entry, Holder } from './entry.js'
import type { Means } from './means.js'
import { RoleDoubt } from './role-doubt.js'
import { SlotPermits } from './slot-permits.js'

/** Who puts commands on the connection in a slot, and hears what it reports. */
export interface SlotUser extends Holder {
  onDialing(): void
  onDialFailed(error: CenoteError): void
  /** No dial will help: what waits for a connection waits in vain. */
  onDialRefused(error: CenoteError): void
  /** There is no permit for the connection; it waits for one. */
  onNoPermit(): void
  /** A connection is in the slot and takes commands. */
  onFilled(entry: Entry): void
  /** The connection in the slot takes no more commands; it may yet answer. */
  onShut(): void
  /** The connection that was in the slot is gone and none has followed. */
  onEmptied(error: CenoteError): void
}

/** How soon a server that is no primary is dialled again while commands wait for one, ms. */
const FENCE_DIAL_MS = 100

/**
 * `draining`: a connection answers what it owes and goes; its successor may be ready. `suspended`: the path is down; it
 * may yet speak again, and nothing new is written to it.
 */
type State =
  | { readonly kind: 'empty' }
  | { readonly kind: 'up'; readonly entry: Entry }
  | { readonly kind: 'draining'; readonly entry: Entry; next: Entry | undefined; grace: Alarm | undefined }
  | { readonly kind: 'suspended'; readonly entry: Entry; readonly since: number }

const EMPTY: State = { kind: 'empty' }

/**
 * A place for one connection that is kept filled. It is emptied only by the connection that is in it, so a late error of
 * an old one cannot knock out its successor; and there is one dial at a time, however many ask.
 */
export class Slot implements DialRequest {
  readonly urgent = true
  readonly dial: Dial
  private state: State = EMPTY
  private readonly doubt: RoleDoubt
  private readonly permits: SlotPermits
  private requested = false
  /** The dial asked for is to replace a connection that works. */
  private renewing = false
  /** About to be filled, so losing its connection asks for no dial. */
  private replacing = false
  private fenceTimer: NodeJS.Timeout | undefined
  private closed = false

  constructor(
    private readonly means: Means,
    private readonly options: Pick<ResolvedOptions, 'maxLifetimeMs'>,
    private readonly user: SlotUser,
  ) {
    this.dial = means.dial
    this.permits = new SlotPermits(means.permits, () => this.requestDial())
    this.doubt = new RoleDoubt(means.clock)
  }

  /** The connection that takes commands right now. */
  get up(): Entry | undefined {
    return this.state.kind === 'up' ? this.state.entry : undefined
  }

  /** Its connections, also those that are on their way out or not used yet. */
  get entries(): readonly Entry[] {
    const { state } = this
    if (state.kind === 'empty') return []
    return state.kind === 'draining' && state.next !== undefined ? [state.entry, state.next] : [state.entry]
  }

  /** Nothing is to come from the connection that was here, or nobody knows whether. */
  get isWanting(): boolean {
    return this.state.kind === 'empty' || this.state.kind === 'suspended'
  }

  get isSuspended(): boolean {
    return this.state.kind === 'suspended'
  }

  get holdsPermit(): boolean {
    return this.permits.held
  }

  get isWanted(): boolean {
    return !this.closed
  }

  /** Single-flight: makes sure a connection is there or on its way. */
  fill(): void {
    const { state } = this
    if (this.requested || this.closed || this.fenceTimer !== undefined || state.kind === 'up') return
    if (state.kind === 'draining' && state.next !== undefined) return
    if (state.kind !== 'empty' && !this.permits.takeSecond()) return
    this.requestDial()
  }

  private requestDial(): void {
    if (this.requested) return
    if (this.permits.ask()) {
      this.user.onNoPermit()
      return
    }
    // Asking may have had it granted, and the dial requested, at once.
    if (this.requested) return
    this.requested = true
    this.means.dialer.request(this)
  }

  dialing(): void {
    this.user.onDialing()
  }

  failed(error: CenoteError): void {
    this.user.onDialFailed(error)
  }

  refused(error: CenoteError): void {
    this.requested = false
    this.renewing = false
    this.settlePermits()
    if (this.closed) {
      this.givePermit()
      return
    }
    this.user.onDialFailed(error)
    if (this.state.kind === 'empty') this.user.onDialRefused(error)
  }

  granted(entry: Entry): void {
    this.requested = false
    const { renewing, state } = this
    const { connection } = entry
    this.renewing = false
    entry.holder = this.user
    entry.limitLife(this.options.maxLifetimeMs)
    if (this.closed) {
      connection.close('pool-closed', new ClosedError())
      this.givePermit()
    } else if (!entry.isOpen) {
      this.fill()
    } else if (this.doubt.refuses(connection.serverRole)) {
      connection.close('read-only', new ConnectionError('The server is a replica; looking for the primary'))
      this.fenceTimer = setTimeout(() => {
        this.fenceTimer = undefined
        this.fill()
      }, FENCE_DIAL_MS)
    } else if (state.kind === 'empty') {
      this.install(entry)
    } else if (state.kind === 'draining') {
      state.next = entry
    } else if (state.kind === 'suspended' && !this.regain()) {
      const silence = new ConnectionError('the connection stayed silent while a new one could be opened')
      this.replace(state.entry, silence, entry)
    } else if (renewing && this.state.kind === 'up') {
      this.drain('max-lifetime', entry)
    } else {
      connection.close('doubtful', new ConnectionError('The connection it was to replace has come back'))
    }
    this.settlePermits()
  }

  private install(entry: Entry): void {
    this.doubt.settle()
    this.move({ kind: 'up', entry })
    this.settlePermits()
    this.user.onFilled(entry)
  }

  private move(state: State): void {
    if (this.state.kind === 'draining') this.state.grace?.cancel()
    const wasUp = this.state.kind === 'up'
    this.state = state
    if (wasUp && state.kind !== 'up') this.user.onShut()
  }

  /** Replaces a live connection without losing order: the new one starts when the old one has answered everything. */
  renew(): void {
    if (this.requested || this.state.kind !== 'up' || this.closed || !this.permits.takeSecond()) return
    this.renewing = true
    this.requestDial()
  }

  /** The connection takes nothing new, answers what it owes and closes. */
  private drain(reason: CloseReason, next: Entry | undefined): void {
    const { entry } = this.state as { entry: Entry }
    this.move({ kind: 'draining', entry, next, grace: undefined })
    entry.connection.drain(reason)
    // With nothing owed it has closed already, and that has seen to what follows.
    if (this.state.kind === 'draining') this.fill()
  }

  /**
   * Writes were refused as read-only, so the name may lead to another server by now: another dial will tell.
   * @returns false when that was tried a moment ago
   */
  leaveReadOnly(): boolean {
    const entry = this.up
    if (entry === undefined || !this.doubt.raise(entry.connection.serverRole)) return false
    // Not closed: what it owes are answers to commands that may have run.
    this.drain('read-only', undefined)
    return true
  }

  /** Opens another connection; the old one writes what it has and gets `graceMs` to answer what it owes. */
  renewNow(error: CenoteError, graceMs: number): void {
    const entry = this.up
    if (entry === undefined) {
      this.reconnect(error)
      return
    }
    const { connection } = entry
    // What is not answered by then has lost its connection.
    const grace = this.means.clock.alarm(graceMs, () => connection.close('reconnect', error))
    this.move({ kind: 'draining', entry, next: undefined, grace })
    connection.finish('reconnect')
    if (this.state.kind === 'draining') this.fill()
  }

  /** Drops the connection and opens another. */
  reconnect(error: CenoteError): void {
    if (this.state.kind === 'suspended') return
    for (const { connection } of this.entries) connection.close('reconnect', error)
  }

  suspend(entry: Entry): void {
    if (this.up !== entry || this.closed) return
    this.move({ kind: 'suspended', entry, since: this.means.clock.now })
    this.fill()
  }

  /** The suspect may have spoken again: then it is back, with all that waited meanwhile. */
  regain(): boolean {
    const { state } = this
    if (state.kind !== 'suspended' || state.entry.connection.lastReadAt <= state.since) return false
    if (this.requested && this.means.dialer.withdraw(this)) this.requested = false
    this.install(state.entry)
    return true
  }

  /** Proven dead. @returns whether `fresh` took its place */
  onDead(entry: Entry, error: CenoteError, fresh: Entry | undefined): boolean {
    if (this.closed || !this.entries.includes(entry)) return false
    const successor = this.state.kind === 'draining' ? undefined : fresh
    if (successor === undefined) entry.connection.close('watchdog', error)
    else this.replace(entry, error, successor)
    return successor !== undefined
  }

  private replace(dead: Entry, error: CenoteError, successor: Entry): void {
    this.replacing = true
    dead.connection.close('watchdog', error)
    this.replacing = false
    successor.holder = this.user
    if (this.closed) successor.connection.close('pool-closed', new ClosedError())
    else this.install(successor)
  }

  /** One of its connections is closed. */
  onClosed(entry: Entry, error: CenoteError): void {
    const { state } = this
    if (state.kind === 'empty') return
    if (state.kind === 'draining' && state.next === entry) state.next = undefined
    else if (state.entry !== entry) return
    else if (state.kind === 'draining' && state.next !== undefined && !this.closed) {
      this.install(state.next)
      return
    } else {
      this.move(EMPTY)
      this.settlePermits()
      this.user.onEmptied(error)
    }
    this.settlePermits()
    if (!this.replacing) this.fill()
  }

  /** Gives the second permit back once there is one connection again, or none. */
  private settlePermits(): void {
    if (this.requested || this.entries.length > 1) return
    if (this.state.kind !== 'draining' && this.state.kind !== 'suspended') this.permits.giveSecond()
  }

  /** Dials no more; connections in use may still answer. */
  close(error: CenoteError): void {
    this.closed = true
    clearTimeout(this.fenceTimer)
    if (this.means.dialer.withdraw(this)) this.requested = false
    this.permits.withdraw()
    if (this.state.kind === 'draining') this.state.next?.connection.close('pool-closed', error)
  }

  /** Tells the server that nothing follows what was accepted; connections close once it is answered. */
  finish(): void {
    for (const { connection } of this.entries) connection.finish('pool-closed')
  }

  destroy(error: CenoteError): void {
    this.close(error)
    for (const { connection } of this.entries) connection.close('pool-closed', error)
    this.settlePermits()
    this.givePermit()
  }

  /** Not before a dial that is under way has ended: until then it may become a connection. */
  private givePermit(): void {
    if (!this.requested) this.permits.give()
  }
}
