/**
 * The connections this process may hold. A permit is taken before a dial and given back when its connection is closed,
 * so connections being opened count too and the limit is never exceeded, not even for a moment.
 */
export class ConnectionBudget {
  used = 0

  constructor(readonly max: number) {}

  take(): boolean {
    if (this.used >= this.max) return false
    this.used++
    return true
  }

  give(): void {
    if (this.used === 0) throw new Error('A connection permit was given back that nobody held')
    this.used--
  }
}
