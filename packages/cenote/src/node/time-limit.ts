import type { Alarm, LoopClock } from '../connection/clock.js'
import { ConnectionError } from '../errors.js'

/** Time that several steps share. Measured in active time: what this process could not do is not held against others. */
export class TimeLimit {
  private readonly alarm: Alarm
  private readonly listeners = new Set<(error?: Error) => void>()
  isUp = false

  /** @param awaited keeps the process alive while the limit runs */
  constructor(
    clock: LoopClock,
    readonly milliseconds: number,
    awaited = false,
  ) {
    this.alarm = clock.alarm(milliseconds, () => this.ring(), awaited)
  }

  private ring(): void {
    this.isUp = true
    for (const listener of [...this.listeners]) listener()
    this.listeners.clear()
  }

  /** What is awaited is no longer wanted. */
  cut(error: Error): void {
    this.alarm.cancel()
    for (const listener of [...this.listeners]) listener(error)
    this.listeners.clear()
  }

  onUp(listener: (error?: Error) => void): void {
    this.listeners.add(listener)
  }

  /** Settles like `work`, or rejects when the time is up first; what `work` comes to later is nobody's concern. */
  limit<T>(work: Promise<T>, tooSlow: () => Error): Promise<T> {
    return new Promise((resolve, reject) => {
      const late = (error?: Error): void => reject(error ?? tooSlow())
      if (this.isUp) late()
      this.listeners.add(late)
      const done = (): void => {
        this.listeners.delete(late)
      }
      work.then(
        (value) => {
          done()
          resolve(value)
        },
        (error) => {
          done()
          reject(error)
        },
      )
    })
  }

  end(): void {
    this.alarm.cancel()
    this.listeners.clear()
  }
}

/** Settles like `work`, or rejects after so many ms of active time. */
export async function within<T>(clock: LoopClock, milliseconds: number, what: string, work: Promise<T>): Promise<T> {
  const time = new TimeLimit(clock, milliseconds)
  try {
    return await time.limit(work, () => new ConnectionError(`${what} took longer than ${milliseconds} ms`))
  } finally {
    time.end()
  }
}
