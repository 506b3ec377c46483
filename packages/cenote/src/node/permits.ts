/** Somebody who needs a connection and has to wait for the place. */
export interface Want {
  /** Since when it waits, real time; of many who wait as one, the first. */
  readonly since: number
  /** A permit is handed over; whoever does not use it gives it back. */
  granted(): void
}

/** Has idle connections that it may close for somebody else. */
export interface Lender {
  /** Closes the connection that has idled longest, and thereby gives its permit back; false when none idles. */
  makeRoom(): boolean
}

/**
 * The connections this process may hold. A permit is taken before a dial and given back when its connection is closed,
 * so connections being opened count too and the limit is never exceeded, not even for a moment. Whoever has to wait is
 * served in the order of coming: a permit that comes back is handed to the first, never freed and won again. One permit
 * is kept for connections that live beside others for a moment: the probe of a silent one, the successor of a lane.
 */
export class Permits {
  used = 0
  private reserve: number
  private reserved = 0
  private readonly wants: Want[] = []
  private readonly lenders = new Set<Lender>()

  /** @param lanes connections that are always held; small pools keep nothing back, and probe only while one is free */
  constructor(
    private limit: number,
    lanes: number,
  ) {
    this.reserve = limit - lanes > 3 ? 1 : 0
  }

  get max(): number {
    return this.limit
  }

  /** The limit may change: when it shrinks, idle connections go at once and others when they are given back. */
  set max(limit: number) {
    this.limit = limit
    while (this.used > this.usable && this.reclaim());
    this.serve()
  }

  private get usable(): number {
    return this.limit - this.reserve
  }

  /** Connections that may be leased at once. */
  leasable(lanes: number): number {
    return Math.max(0, this.usable - lanes)
  }

  /** More are held than may be: what is given back is to be closed. */
  get exceeded(): boolean {
    return this.used > this.usable
  }

  get waiting(): number {
    return this.wants.length
  }

  addLender(lender: Lender): void {
    this.lenders.add(lender)
  }

  removeLender(lender: Lender): void {
    this.lenders.delete(lender)
  }

  /** A permit if one is free and nobody waits for it. */
  take(): boolean {
    if (this.wants.length > 0 || this.used >= this.usable) return false
    this.used++
    return true
  }

  /** A permit in turn: now if one is free or can be had from an idle connection, else when one comes back. */
  request(want: Want): void {
    this.wants.push(want)
    this.serve()
    if (this.wants.includes(want)) this.reclaim()
  }

  withdraw(want: Want): boolean {
    const at = this.wants.indexOf(want)
    if (at < 0) return false
    this.wants.splice(at, 1)
    return true
  }

  /** True when somebody else waits for longer than since the given time. */
  isWantedBefore(since: number, by: Want): boolean {
    return this.wants.some((want) => want !== by && want.since < since)
  }

  give(): void {
    if (this.used === 0) throw new Error('A connection permit was given back that nobody held')
    this.used--
    this.serve()
  }

  /** For a connection that stands in for another and is gone within seconds. */
  takeReserve(): boolean {
    if (this.used + this.reserved >= this.limit || this.reserved >= Math.max(1, this.reserve)) return false
    this.reserved++
    return true
  }

  giveReserve(): void {
    if (this.reserved === 0) throw new Error('A reserved permit was given back that nobody held')
    this.reserved--
  }

  private serve(): void {
    while (this.wants.length > 0 && this.used < this.usable) {
      const first = this.wants.reduce((longest, want) => (want.since < longest.since ? want : longest))
      this.withdraw(first)
      this.used++
      first.granted()
    }
  }

  private reclaim(): boolean {
    for (const lender of this.lenders) if (lender.makeRoom()) return true
    return false
  }
}
