import { startRedis } from '@cenote/test-support'
import { createPool } from 'cenote'

export interface ReconnectResult {
  readonly callers: number
  /** From the server's first accepted connection to the first success of any caller. */
  readonly firstSuccessMs: number
  /** From the server's readiness to every caller served once. */
  readonly allServedMs: number
  /** Commands that reached the server ÷ commands asked for, from the outage on. */
  readonly sentPerAsked: number
}

/** Many callers wait out a restart. */
export async function measureReconnect(callers: number): Promise<ReconnectResult> {
  const redis = await startRedis()
  const pool = createPool({ port: redis.port })
  let asked = 0
  let firstSuccess = 0
  let down = false
  let back = false
  const served = new Set<number>()
  let allServed = 0
  let running = true
  const loops = Array.from({ length: callers }, async (_, caller) => {
    while (running) {
      if (down) asked++
      try {
        await pool.incr('n')
        if (back) {
          firstSuccess ||= performance.now()
          served.add(caller)
          if (served.size === callers) allServed ||= performance.now()
        }
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  })
  await new Promise((resolve) => setTimeout(resolve, 500))
  await redis.kill()
  down = true
  await new Promise((resolve) => setTimeout(resolve, 3_000))
  back = true
  await redis.restart()
  const readyAt = performance.now()
  while (allServed === 0) await new Promise((resolve) => setTimeout(resolve, 1))
  await new Promise((resolve) => setTimeout(resolve, 300))
  running = false
  await Promise.all(loops)
  const executed = Number(await redis.command('GET', 'n'))
  await pool.close()
  await redis.stop()
  return {
    callers,
    firstSuccessMs: Math.round(Math.max(0, firstSuccess - readyAt)),
    allServedMs: Math.round(allServed - readyAt),
    sentPerAsked: executed / asked,
  }
}
