/** What the housekeeper does on each of its rounds, and how often. */
export interface Chore {
  readonly everyMs: number
  run(): void | Promise<void>
}

/**
 * The one timer behind eviction, retirement, refill and health checks. Rounds never overlap, and it never keeps the
 * process alive.
 */
export class Housekeeper {
  private readonly due: number[]
  private timer: NodeJS.Timeout | undefined
  private stopped = false

  constructor(private readonly chores: readonly Chore[]) {
    const now = performance.now()
    this.due = chores.map((chore) => now + chore.everyMs)
  }

  start(): void {
    if (this.stopped || this.chores.length === 0) return
    const wait = Math.max(10, Math.min(...this.due) - performance.now())
    this.timer = setTimeout(() => void this.round(), wait)
    this.timer.unref()
  }

  stop(): void {
    this.stopped = true
    if (this.timer !== undefined) clearTimeout(this.timer)
    this.timer = undefined
  }

  private async round(): Promise<void> {
    const now = performance.now()
    for (const [i, chore] of this.chores.entries()) {
      if (this.due[i]! > now) continue
      this.due[i] = now + chore.everyMs
      await chore.run()
    }
    this.start()
  }
}
