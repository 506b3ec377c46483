import { type ChaosClient, type Verdict, verdictOf } from '../client.js'
import type { Random } from '../random.js'
import type { Call, KindName } from './call.js'
import type { Hands, Keys } from './kind.js'
import { kindOf } from './kinds/all.js'
import type { LagMeter } from './lag-meter.js'

/** Callers that do the same. */
export interface Role {
  readonly kinds: readonly KindName[]
  readonly callers: number
  /** Each comes back up to this many milliseconds after its last reply, as a person or a job would. */
  readonly restMs: number
  /** Takes another shard each time, also where others keep to one. */
  readonly roams?: boolean
}

export interface WorkloadPlan {
  readonly client: ChaosClient
  readonly roles: readonly Role[]
  readonly random: Random
  readonly lag: LagMeter
  readonly timeoutMs: number
  /** Where shards lie on several servers each caller keeps to one: a server that fails must not stop them all. */
  readonly keys: Keys
  readonly databases: boolean
}

/** Callers that issue one request after another and write down what they were told. */
export class Workload {
  readonly calls: Call[] = []
  readonly lag: LagMeter
  readonly timeoutMs: number
  readonly keys: Keys
  private readonly random: Random
  private running = true
  private paused = false
  private serial = 0
  private readonly loops: Promise<void>[]
  private readonly hands: Hands

  constructor({ client, roles, random, lag, timeoutMs, keys, databases }: WorkloadPlan) {
    this.random = random
    this.lag = lag
    this.timeoutMs = timeoutMs
    this.keys = keys
    this.hands = { client, random, keys, databases }
    let serial = 0
    this.loops = roles.flatMap(({ kinds, callers, restMs, roams }) => {
      const offered = kinds.filter((name) => kindOf(name).offered(client))
      if (offered.length === 0) return []
      return Array.from({ length: callers }, () => {
        const own = keys.spread && roams !== true ? serial++ % keys.shards : undefined
        return this.caller(offered, restMs, own)
      })
    })
  }

  /** Stops issuing requests until {@link resume}; those under way go on. */
  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
  }

  /** One request of each kind at once, also while paused. */
  burst(kinds: readonly KindName[]): void {
    for (const kind of kinds) if (kindOf(kind).offered(this.hands.client)) void this.issue(kind)
  }

  /** Under way now, those who wait for ever aside. */
  get unsettled(): number {
    return this.calls.filter((call) => call.verdict === undefined && Number.isFinite(call.limitMs)).length
  }

  /** Those who wait for ever now. */
  get waiting(): readonly Call[] {
    return this.calls.filter((call) => call.verdict === undefined && !Number.isFinite(call.limitMs))
  }

  /** No more requests. */
  end(): void {
    this.running = false
  }

  /** After {@link end}: resolves when all callers were answered or `withinMs` has passed. */
  async ended(withinMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    await Promise.race([
      Promise.all(this.loops),
      new Promise((resolve) => {
        timer = setTimeout(resolve, withinMs)
      }),
    ])
    clearTimeout(timer)
  }

  private async caller(kinds: readonly KindName[], restMs: number, shard: number | undefined): Promise<void> {
    while (this.running) {
      if (this.paused) {
        await new Promise((resolve) => setTimeout(resolve, 5))
        continue
      }
      await this.issue(this.random.pick(kinds), shard)
      await new Promise((resolve) => setTimeout(resolve, this.random.between(0, restMs)))
    }
  }

  private async issue(name: KindName, shard?: number): Promise<void> {
    const kind = kindOf(name)
    const call: Call = {
      kind: name,
      id: `${name}-${++this.serial}`,
      shard: shard ?? this.random.between(0, this.keys.shards - 1),
      at: performance.now(),
      lagAt: this.lag.now,
      limitMs: kind.limitMs?.(this.timeoutMs) ?? this.timeoutMs,
      settledAt: 0,
      writtenAt: undefined,
      lag: 0,
      verdict: undefined,
      settlements: 0,
      foreign: false,
      error: undefined,
      told: undefined,
    }
    this.calls.push(call)
    const settle = (verdict: Verdict) => {
      call.settlements++
      call.verdict = verdict
      call.settledAt = performance.now()
      call.lag = this.lag.now - call.lagAt
    }
    try {
      await kind.issue(call, this.hands)
      settle('ok')
    } catch (error) {
      settle(verdictOf(error))
      call.error = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    }
  }
}

/** What must be in the server before the callers begin. */
export function seedCommands(keys: Keys): { readonly key: string; readonly command: string[] }[] {
  return Array.from({ length: keys.shards }, (_, shard) => {
    const key = keys.of('known', shard)
    return { key, command: ['SET', key, `value:${shard}`] }
  })
}
