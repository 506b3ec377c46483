/**
 * The connections this process may hold. A permit is taken before a dial and given back when its connection is closed,
 * so connections being opened count too and the limit is never exceeded, not even for a moment. One permit is kept
 * for connections that live beside others for a moment: the probe of the watchdog, the successor of a lane.
 */
export class ConnectionBudget {
  used = 0
  private readonly reserve: number
  private reserved = 0

  /** @param lanes connections that are always held; small pools keep nothing back, and probe only while a permit is free */
  constructor(
    readonly max: number,
    lanes: number,
  ) {
    this.reserve = max - lanes > 3 ? 1 : 0
  }

  /** Connections that may be leased at once. */
  leasable(lanes: number): number {
    return this.max - this.reserve - lanes
  }

  take(): boolean {
    if (this.used >= this.max - this.reserve) return false
    this.used++
    return true
  }

  give(): void {
    if (this.used === 0) throw new Error('A connection permit was given back that nobody held')
    this.used--
  }

  /** For a connection that stands in for another and is gone within seconds. */
  takeReserve(): boolean {
    if (this.used + this.reserved >= this.max || this.reserved >= Math.max(1, this.reserve)) return false
    this.reserved++
    return true
  }

  giveReserve(): void {
    if (this.reserved === 0) throw new Error('A reserved permit was given back that nobody held')
    this.reserved--
  }
}
