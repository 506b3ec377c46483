import { clearTimeout, monotonic, setTimeout } from '../timers.js'

/** What the housekeeper does on each of its rounds, and how often. */
export interface Chore {
  readonly everyMs: number
  run(): void | Promise<void>
}

/**
 * The one timer behind eviction, retirement, refill and health checks. A chore that is not done is not begun again, and
 * holds up no other. Never keeps the process alive.
 */
export class Housekeeper {
  private readonly chores: { readonly chore: Chore; due: number; busy: boolean }[]
  private timer: NodeJS.Timeout | undefined
  private stopped = false

  /** @param onError told what a chore threw */
  constructor(
    chores: readonly Chore[],
    private readonly onError: (error: unknown) => void,
  ) {
    const now = monotonic()
    this.chores = chores.map((chore) => ({ chore, due: now + chore.everyMs, busy: false }))
  }

  start(): void {
    this.stopped = false
    this.schedule()
  }

  private schedule(): void {
    if (this.stopped || this.chores.length === 0 || this.timer !== undefined) return
    const wait = Math.max(10, Math.min(...this.chores.map(({ due }) => due)) - monotonic())
    this.timer = setTimeout(() => {
      this.timer = undefined
      this.round()
    }, wait)
    this.timer.unref()
  }

  stop(): void {
    this.stopped = true
    clearTimeout(this.timer)
    this.timer = undefined
  }

  private round(): void {
    const now = monotonic()
    for (const item of this.chores) {
      if (item.due > now) continue
      item.due = now + item.chore.everyMs
      if (item.busy) continue
      item.busy = true
      this.perform(item.chore)
        .catch(this.onError)
        .finally(() => {
          item.busy = false
        })
    }
    this.schedule()
  }

  private async perform(chore: Chore): Promise<void> {
    await chore.run()
  }
}
