import { monotonic } from '../timers.js'
import type { LeasedConnection } from './leased-connection.js'

/** A caller queued for a lease. It settles once: whoever comes second, delivery or cancellation, is told so. */
export class Waiter {
  settled = false
  readonly since = monotonic()

  constructor(
    readonly label: string,
    readonly deadline: number,
    /** Where it was asked for; only while leak detection is on. */
    readonly stack: string | undefined,
    private readonly resolve: (lease: LeasedConnection) => void,
    private readonly reject: (error: Error) => void,
  ) {}

  /** False when the waiter is gone; the lease stays with the caller, who offers it to the next one. */
  deliver(lease: LeasedConnection): boolean {
    if (this.settled) return false
    this.settled = true
    this.resolve(lease)
    return true
  }

  /** False when a lease was already delivered. */
  cancel(error: Error): boolean {
    if (this.settled) return false
    this.settled = true
    this.reject(error)
    return true
  }
}

/** Strict FIFO of waiters. Cancelled ones stay until they reach the head; `count` leaves them out. */
export class WaiterQueue {
  count = 0
  nextDeadline = Number.POSITIVE_INFINITY
  private items: (Waiter | undefined)[] = []
  private start = 0

  push(waiter: Waiter): void {
    this.items.push(waiter)
    this.count++
    if (waiter.deadline < this.nextDeadline) this.nextDeadline = waiter.deadline
  }

  shift(): Waiter | undefined {
    while (this.start < this.items.length) {
      const waiter = this.items[this.start]!
      this.items[this.start++] = undefined
      if (this.start > 1024 && this.start * 2 > this.items.length) {
        this.items = this.items.slice(this.start)
        this.start = 0
      }
      if (!waiter.settled) {
        this.count--
        return waiter
      }
    }
    this.items = []
    this.start = 0
    return undefined
  }

  /** Since when the first one waits; Infinity when none does. */
  get firstSince(): number {
    for (let i = this.start; i < this.items.length; i++) {
      const waiter = this.items[i]!
      if (!waiter.settled) return waiter.since
    }
    return Number.POSITIVE_INFINITY
  }

  /** Settles a waiter from outside its turn. */
  cancel(waiter: Waiter, error: Error): boolean {
    if (!waiter.cancel(error)) return false
    this.count--
    return true
  }

  /** Waiters whose deadline has passed; they are still to be cancelled. */
  due(now: number): Waiter[] {
    if (now < this.nextDeadline) return []
    const due: Waiter[] = []
    let next = Number.POSITIVE_INFINITY
    for (let i = this.start; i < this.items.length; i++) {
      const waiter = this.items[i]!
      if (waiter.settled) continue
      if (waiter.deadline <= now) due.push(waiter)
      else if (waiter.deadline < next) next = waiter.deadline
    }
    this.nextDeadline = next
    return due
  }
}
