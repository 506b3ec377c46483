import { monotonic } from '../timers.js'
import type { Permits, Want } from './permits.js'

/**
 * The permits of one slot: one for as long as it lives, and for moments a second one, while a connection follows another
 * or stands in for one under suspicion.
 */
export class SlotPermits implements Want {
  since = 0
  private state: 'none' | 'asked' | 'held' = 'none'
  private second = false

  /** @param onPermit called when the permit comes in turn, also at once */
  constructor(
    private readonly permits: Permits,
    private readonly onPermit: () => void,
  ) {}

  get held(): boolean {
    return this.state === 'held'
  }

  /** Asks for the permit, once. @returns whether the slot has to wait for it */
  ask(): boolean {
    if (this.state === 'none') {
      this.state = 'asked'
      this.since = monotonic()
      this.permits.request(this)
    }
    return this.state !== 'held'
  }

  granted(): void {
    this.state = 'held'
    this.onPermit()
  }

  withdraw(): void {
    if (this.state === 'asked' && this.permits.withdraw(this)) this.state = 'none'
  }

  give(): void {
    if (this.state !== 'held') return
    this.state = 'none'
    this.permits.give()
  }

  /** For a second connection; false when none may be opened now. */
  takeSecond(): boolean {
    this.second ||= this.permits.takeReserve()
    return this.second
  }

  giveSecond(): void {
    if (!this.second) return
    this.second = false
    this.permits.giveReserve()
  }
}
