import { once } from 'node:events'
import type { RedisServer } from '@cenote/test-support'
import type { RedisPool } from 'cenote'

/** Looks again and again, because what is awaited shows in the server or in statistics, which announce nothing. */
export async function until(what: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await what())) {
    if (performance.now() > deadline) throw new Error(`It did not come to pass within ${timeoutMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

export async function ready(pool: RedisPool): Promise<void> {
  if (pool.status !== 'ready') await once(pool, 'ready')
}

/** Lines of CLIENT LIST that are not the asking connection's own. */
export async function clients(redis: RedisServer): Promise<string[]> {
  const list = String(await redis.command('CLIENT', 'LIST'))
  return list.split('\n').filter((line) => line !== '' && !line.includes('cmd=client|list'))
}

/** Settled results by what became of them: `ok`, or an error's code and outcome. */
export function outcomes(results: readonly PromiseSettledResult<unknown>[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const result of results) {
    const error = result.status === 'rejected' ? (result.reason as { code: string; outcome: string }) : undefined
    const name = error === undefined ? 'ok' : `${error.code} ${error.outcome}`
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

/** Starts many calls at once and waits for all of them, however they end. */
export function many(
  count: number,
  call: (index: number) => Promise<unknown>,
): Promise<PromiseSettledResult<unknown>[]> {
  return Promise.allSettled(Array.from({ length: count }, (_, index) => call(index)))
}

export const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds))

/** Holds the event loop, as a long computation does. */
export function blockLoop(milliseconds: number): void {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}
