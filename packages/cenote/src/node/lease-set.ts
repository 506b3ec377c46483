import type { LeaseHolder } from '../errors.js'
import { monotonic } from '../timers.js'
import type { LeasedConnection } from './leased-connection.js'

/**
 * The leases that are out. Each knows its place, so that adding and removing cost two assignments; a `Set` would hash
 * and, with its steady coming and going, rebuild its table again and again.
 */
export class LeaseSet implements Iterable<LeasedConnection> {
  private readonly items: LeasedConnection[] = []

  get size(): number {
    return this.items.length
  }

  add(lease: LeasedConnection): void {
    lease.place = this.items.push(lease) - 1
  }

  /** False when it is not in here. */
  delete(lease: LeasedConnection): boolean {
    if (lease.place < 0) return false
    const last = this.items.pop()!
    if (last !== lease) {
      this.items[lease.place] = last
      last.place = lease.place
    }
    lease.place = -1
    return true
  }

  /** Visits those that are out now, whatever comes and goes meanwhile. */
  [Symbol.iterator](): Iterator<LeasedConnection> {
    return this.items.slice()[Symbol.iterator]()
  }

  /** Who has them, longest first. */
  holders(): LeaseHolder[] {
    const now = monotonic()
    return this.items
      .map((lease) => ({ label: lease.label, heldMs: Math.round(now - lease.borrowedAt), stack: lease.stack }))
      .sort((a, b) => b.heldMs - a.heldMs)
  }
}
