import { startRedis } from '@cenote/test-support'
import { createPool } from 'cenote'

export interface GoodputResult {
  readonly capacityPerSecond: number
  readonly offeredPerSecond: number
  /** Commands answered in time per second, at three times the capacity. */
  readonly goodputPerSecond: number
  readonly share: number
  readonly refused: number
  readonly timedOut: number
  readonly heapMb: number
}

export interface GoodputPlan {
  readonly deadlineMs: number
  readonly seconds: number
  /** Work per command at the server, in loop rounds of a script; 0 for a plain GET, whose limit is this process. */
  readonly work: number
}

/** Offers a server, or this process, three times what it can do and counts what is answered in time. */
export async function measureGoodput(plan: GoodputPlan): Promise<GoodputResult> {
  const redis = await startRedis()
  const pool = createPool({ port: redis.port, commandTimeoutMs: plan.deadlineMs })
  const script = `local s = 0 for i = 1, ${plan.work} do s = s + i end return s`
  const call = () => (plan.work === 0 ? pool.get('k') : pool.call('EVAL', script, 0))
  const capacity = await closedLoop(call, 64, 2_000)
  const offered = capacity * 3
  let good = 0
  let refused = 0
  let timedOut = 0
  let outstanding = 0
  let issued = 0
  const startedAt = performance.now()
  const warmUpMs = plan.deadlineMs
  const endsAt = startedAt + warmUpMs + plan.seconds * 1_000
  let heap = 0
  while (performance.now() < endsAt) {
    const now = performance.now()
    const due = ((now - startedAt) * offered) / 1_000
    // No more than a slice per turn, so that replies are read between.
    for (let slice = 0; issued < due && slice < 2_000; slice++) {
      issued++
      outstanding++
      const at = now
      call().then(
        () => {
          outstanding--
          const took = performance.now()
          if (took - at <= plan.deadlineMs && took > startedAt + warmUpMs && took < endsAt) good++
        },
        (error: { code: string }) => {
          outstanding--
          if (error.code === 'CENOTE_OVERLOADED') refused++
          else timedOut++
        },
      )
    }
    heap = Math.max(heap, process.memoryUsage().heapUsed)
    await new Promise((resolve) => (issued < due ? setImmediate(resolve) : setTimeout(resolve, 1)))
  }
  const tookSeconds = (performance.now() - startedAt) / 1_000
  while (outstanding > 0) await new Promise((resolve) => setTimeout(resolve, 10))
  await pool.close()
  await redis.stop()
  return {
    capacityPerSecond: Math.round(capacity),
    offeredPerSecond: Math.round(issued / tookSeconds),
    goodputPerSecond: Math.round(good / plan.seconds),
    share: good / plan.seconds / capacity,
    refused,
    timedOut,
    heapMb: Math.round(heap / 1e6),
  }
}

async function closedLoop(call: () => Promise<unknown>, callers: number, milliseconds: number): Promise<number> {
  let done = 0
  const end = performance.now() + milliseconds
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (performance.now() < end) {
        await call()
        done++
      }
    }),
  )
  return (done * 1_000) / milliseconds
}
