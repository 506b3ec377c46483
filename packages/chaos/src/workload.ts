import { type ChaosClient, type Verdict, verdictOf } from './client.js'
import type { Random } from './random.js'

/** One command as its caller saw it. */
export interface Call {
  readonly kind: 'echo' | 'get' | 'push' | 'count'
  /** Names a write in the server's data. */
  readonly id: string
  readonly shard: number
  readonly at: number
  /** Blocked time of this process when it was issued, ms. */
  readonly lagAt: number
  settledAt: number
  lag: number
  verdict: Verdict | undefined
  settlements: number
  /** The reply was not this caller's. */
  foreign: boolean
  error: string | undefined
}

export const SHARDS = 8
const TICK_MS = 10

/** How long this process could not run, measured beside the load, so that its own pauses are not held against anybody. */
export class LagMeter {
  blockedMs = 0
  private last = performance.now()
  private readonly timer = setInterval(() => {
    const now = performance.now()
    const late = now - this.last - TICK_MS
    if (late > 5) this.blockedMs += late
    this.last = now
  }, TICK_MS)

  /** Includes a blockage that is not over yet. */
  get now(): number {
    return this.blockedMs + Math.max(0, performance.now() - this.last - TICK_MS)
  }

  stop(): void {
    clearInterval(this.timer)
  }
}

/** Callers that issue one command after another and write down what they were told. */
export class Workload {
  readonly calls: Call[] = []
  private running = true
  private paused = false
  private serial = 0
  private readonly loops: Promise<void>[]

  constructor(
    private readonly client: ChaosClient,
    callers: number,
    private readonly random: Random,
    readonly lag: LagMeter,
    private readonly mix: readonly Call['kind'][],
  ) {
    this.loops = Array.from({ length: callers }, () => this.caller())
  }

  /** Stops issuing commands until {@link resume}; those under way go on. */
  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
  }

  /** No more commands; resolves when all callers were answered or `withinMs` has passed. */
  async stop(withinMs: number): Promise<void> {
    this.running = false
    let timer: NodeJS.Timeout | undefined
    await Promise.race([
      Promise.all(this.loops),
      new Promise((resolve) => {
        timer = setTimeout(resolve, withinMs)
      }),
    ])
    clearTimeout(timer)
  }

  private async caller(): Promise<void> {
    while (this.running) {
      if (this.paused) {
        await new Promise((resolve) => setTimeout(resolve, 5))
        continue
      }
      const call = this.issue()
      await call
      // A caller that was refused comes back a moment later, as a person or a job would.
      if (this.calls.length > 0) await new Promise((resolve) => setTimeout(resolve, this.random.between(0, 4)))
    }
  }

  private async issue(): Promise<void> {
    const kind = this.random.pick(this.mix)
    const call: Call = {
      kind,
      id: `${kind}-${++this.serial}`,
      shard: this.random.between(0, SHARDS - 1),
      at: performance.now(),
      lagAt: this.lag.now,
      settledAt: 0,
      lag: 0,
      verdict: undefined,
      settlements: 0,
      foreign: false,
      error: undefined,
    }
    this.calls.push(call)
    const settle = (verdict: Verdict) => {
      call.settlements++
      call.verdict ??= verdict
      call.settledAt = performance.now()
      call.lag = this.lag.now - call.lagAt
    }
    try {
      const reply = await this.send(call)
      settle('ok')
      call.foreign = !isOwn(call, reply)
    } catch (error) {
      settle(verdictOf(error))
      call.error = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    }
  }

  private send(call: Call): Promise<unknown> {
    switch (call.kind) {
      case 'echo':
        return this.client.call('ECHO', call.id)
      case 'get':
        return this.client.call('GET', `known:${call.shard}`)
      case 'push':
        return this.client.call('RPUSH', `log:${call.shard}`, call.id)
      case 'count':
        return this.client.call('INCR', `n:${call.shard}`)
    }
  }
}

function isOwn(call: Call, reply: unknown): boolean {
  const text = String(reply)
  if (call.kind === 'echo') return text === call.id
  // After a restart without persistence the key is gone; that is the server's answer, and this caller's own.
  if (call.kind === 'get') return reply === null || text === `value:${call.shard}`
  return /^\d+$/.test(text)
}

/** What must be in the server before the callers begin. */
export function seedCommands(): string[][] {
  return Array.from({ length: SHARDS }, (_, shard) => ['SET', `known:${shard}`, `value:${shard}`])
}
