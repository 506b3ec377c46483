import type { LoopClock } from '../connection/clock.js'

/**
 * After a server was demoted, commands wait so long, ms, for one that says it is the primary: a failover takes a
 * moment, and what an old primary still answers may be out of date.
 */
const FENCE_MS = 2_000
/** A server that stays read-only is not left again at every refusal, ms: at first soon, then ever less often. */
const PAUSE_MS = 100
const PAUSE_MAX_MS = 5_000
/** Read-only again after so long, ms, is a new matter. */
const FORGET_MS = 30_000

/** Writes are refused as read-only: whether the address may lead to another server by now, which only a dial can tell. */
export class RoleDoubt {
  private raisedAt: number | undefined
  private pauseMs = 0
  /** Until then only a primary will do. */
  private fencedUntil = 0

  constructor(private readonly clock: LoopClock) {}

  /** True when the connection is to be replaced; false when that was tried a moment ago. */
  raise(role: string | undefined): boolean {
    const { now } = this.clock
    const since = this.raisedAt === undefined ? Number.POSITIVE_INFINITY : now - this.raisedAt
    if (since < this.pauseMs) return false
    this.pauseMs = since > FORGET_MS ? PAUSE_MS : Math.min(PAUSE_MAX_MS, this.pauseMs * 2)
    this.raisedAt = now
    // One that called itself a replica from the start was chosen as such.
    if (role === 'master') this.fencedUntil = now + FENCE_MS
    return true
  }

  /** Whether a new connection to a server of this role is to be tried again instead of used. */
  refuses(role: string | undefined): boolean {
    return role === 'replica' && this.clock.refresh() < this.fencedUntil
  }

  settle(): void {
    this.fencedUntil = 0
  }
}
