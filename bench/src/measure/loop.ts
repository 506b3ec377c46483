import { Latencies } from './latency.js'

/** Every how many operations one is timed, when there are many callers: two looks at the clock cost as much as a reply. */
const SAMPLE_EVERY = 7

/**
 * What the callers of a closed loop share: each calls, waits for the reply, verifies it, calls again.
 * Only operations that were verified inside the window count.
 */
export class Loop {
  running = true
  /** Verified operations since the start. */
  done = 0
  readonly latencies = new Latencies()
  private turn = 0
  private readonly every: number

  constructor(callers: number) {
    this.every = callers < 32 ? 1 : SAMPLE_EVERY
  }

  /** @returns the time, or 0 for an operation that is not timed */
  begin(): number {
    if (++this.turn < this.every) return 0
    this.turn = 0
    return performance.now()
  }

  end(begun: number): void {
    this.done++
    if (begun !== 0) this.latencies.add(performance.now() - begun)
  }
}

/** A client settled an operation with something else than what the server had to answer. */
export class WrongReplyError extends Error {
  override readonly name = 'WrongReplyError'

  constructor(what: string, reply: unknown) {
    const text = typeof reply === 'string' ? JSON.stringify(reply) : String(reply)
    super(
      `${what} got a wrong reply: ${text.length > 100 ? `${text.slice(0, 100)}… (${text.length} characters)` : text}`,
    )
  }
}
