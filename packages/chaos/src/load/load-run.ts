import type { RedisPool } from 'cenote'
import type { CenoteClient } from '../cenote-client.js'
import type { ChaosClient } from '../client.js'
import type { Random } from '../random.js'
import { type Audit, audit } from './invariants.js'
import type { Keys, Truth } from './kind.js'
import { LagMeter } from './lag-meter.js'
import { leasesLeft, leasesLeftOf } from './leases-left.js'
import { SubscriptionLoad } from './subscription.js'
import { type Role, Workload } from './workload.js'

export interface LoadPlan {
  readonly client: ChaosClient
  readonly roles: readonly Role[]
  readonly random: Random
  readonly timeoutMs: number
  readonly keys: Keys
  /** Leases choose another database. */
  readonly databases: boolean
  /** Undefined: nobody subscribes. */
  readonly subscription:
    | {
        readonly channels: readonly string[]
        publish(channel: string, message: string): Promise<unknown>
        mayMiss?(channel: string): boolean
        readonly sharded?: boolean
      }
    | undefined
  /** Puts an element into a queue, past whatever is broken. */
  wake(key: string, element: string): Promise<unknown>
}

/** The load of one client, from its first request to the judgement on what it was told. */
export class LoadRun {
  readonly client: ChaosClient
  readonly pool: RedisPool | undefined
  readonly load: Workload
  readonly subscription: SubscriptionLoad | undefined
  private readonly lag = new LagMeter()

  constructor(private readonly plan: LoadPlan) {
    const { client, roles, random, timeoutMs, keys, databases, subscription } = plan
    this.client = client
    this.pool = (client as Partial<CenoteClient>).pool
    const subscribe = subscription?.sharded === true ? client.ssubscribe : client.subscribe
    if (subscription !== undefined && subscribe !== undefined) {
      this.subscription = new SubscriptionLoad(
        subscribe.bind(client),
        subscription.publish,
        subscription.channels,
        subscription.mayMiss,
      )
    }
    this.load = new Workload({ client, roles, random, lag: this.lag, timeoutMs, keys, databases })
  }

  async start(): Promise<void> {
    await this.subscription?.start()
  }

  /** No more requests; waits for those under way, and for the subscriber to hear again. */
  async end(withinMs: number): Promise<void> {
    this.load.end()
    await this.subscription?.stop(withinMs)
    const limit = this.plan.timeoutMs + 2_000
    await Promise.all([this.load.ended(limit), this.wakeAll(limit)])
  }

  /** What is wrong with the pool itself, when the client is one. */
  async leasesLeft(): Promise<string[]> {
    if (this.pool === undefined) return []
    const { keys } = this.plan
    if (!keys.spread) return leasesLeft(this.pool)
    return leasesLeftOf(
      this.pool,
      keys.tags.map((_, shard) => keys.of('known', shard)),
    )
  }

  async close(): Promise<void> {
    await within(3_000, this.client.close())
    this.lag.stop()
  }

  audit(truth: Truth): Promise<Audit> {
    return audit(this.load.calls, truth, this.subscription?.audit())
  }

  /** Callers who wait for ever must still be there: an element for each ends their wait. */
  private async wakeAll(withinMs: number): Promise<void> {
    const { load, plan } = this
    const limit = performance.now() + withinMs
    for (let serial = 1; load.waiting.length > 0 && performance.now() < limit; serial++) {
      for (const { shard } of load.waiting) {
        await plan.wake(plan.keys.of('queue', shard), `wake-${serial}`).catch(() => undefined)
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, milliseconds)
  })
  await Promise.race([work.catch(() => undefined), late])
  clearTimeout(timer)
}
