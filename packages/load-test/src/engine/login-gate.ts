import { Fifo } from '../fifo.js'
import type { VirtualUser } from './user.js'

export interface LoginGateOptions {
  /** Logins started per second, at most. */
  readonly ratePerSecond: number
  /** Logins under way at once, at most: argon2id is CPU on the server, a longer queue there only adds latency. */
  readonly concurrency: number
  /** Sends one login; resolves to whether the user is in. Never rejects. */
  readonly login: (user: VirtualUser) => Promise<boolean>
}

interface Entry {
  readonly user: VirtualUser
  readonly attemptsLeft: number
  readonly failures: number
  readonly done: (loggedIn: boolean) => void
}

const FIRST_BACKOFF_MS = 200
const LAST_BACKOFF_MS = 5000

/** Every login passes here, the first as well as those after a lost session, so no outage ends in a stampede. */
export class LoginGate {
  private readonly queue = new Fifo<Entry>()
  private readonly backingOff = new Map<NodeJS.Timeout, Entry>()
  private running = 0
  private nextAt = 0
  private timer: NodeJS.Timeout | undefined
  private stopped = false

  constructor(private readonly options: LoginGateOptions) {}

  /** Resolves when the user is in (true), or after so many failed attempts or a stop (false). */
  enter(user: VirtualUser, attempts: number): Promise<boolean> {
    return new Promise((done) => {
      if (this.stopped) return done(false)
      this.queue.push({ user, attemptsLeft: attempts, failures: 0, done })
      this.pump()
    })
  }

  /** Lets nobody else in; logins under way end by themselves. */
  stop(): void {
    this.stopped = true
    clearTimeout(this.timer)
    for (let entry = this.queue.take(); entry !== undefined; entry = this.queue.take()) entry.done(false)
    for (const [timer, entry] of this.backingOff) {
      clearTimeout(timer)
      entry.done(false)
    }
    this.backingOff.clear()
  }

  private pump(): void {
    while (!this.stopped && this.queue.length > 0 && this.running < this.options.concurrency) {
      const now = performance.now()
      if (now < this.nextAt) {
        this.wakeIn(this.nextAt - now)
        return
      }
      // Lost time is made up for by at most 100 ms of logins, else a pause would end in a burst.
      this.nextAt = Math.max(this.nextAt, now - 100) + 1000 / this.options.ratePerSecond
      void this.attempt(this.queue.take()!)
    }
  }

  private async attempt(entry: Entry): Promise<void> {
    this.running++
    const loggedIn = await this.options.login(entry.user)
    this.running--
    if (loggedIn || entry.attemptsLeft <= 1 || this.stopped) entry.done(loggedIn)
    else this.backOff({ ...entry, attemptsLeft: entry.attemptsLeft - 1, failures: entry.failures + 1 })
    this.pump()
  }

  private backOff(entry: Entry): void {
    const limit = Math.min(LAST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (entry.failures - 1))
    const timer = setTimeout(
      () => {
        this.backingOff.delete(timer)
        this.queue.push(entry)
        this.pump()
      },
      limit * (0.5 + Math.random() / 2),
    )
    this.backingOff.set(timer, entry)
  }

  private wakeIn(ms: number): void {
    if (this.timer !== undefined) return
    this.timer = setTimeout(() => {
      this.timer = undefined
      this.pump()
    }, Math.ceil(ms))
  }
}
