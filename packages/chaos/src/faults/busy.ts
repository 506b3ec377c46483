import { RawClient } from '@cenote/test-support'
import type { World } from '../scenario.js'

/** A script that does nothing for so long. */
export const slowScript = (milliseconds: number): string =>
  "local function now() local t = redis.call('TIME') return t[1] * 1000 + t[2] / 1000 end " +
  `local stop = now() + ${milliseconds} while now() < stop do end return 1`

/** Lets the server do something slow over a connection of its own. */
export async function occupy(world: World, ...command: string[]): Promise<void> {
  const raw = await RawClient.open(world.server.target)
  try {
    await raw.send(...command)
  } finally {
    raw.close()
  }
}

/** A caller whose patience ended was not refused; and what the server said itself is its own affair. */
const NOT_BY_US = /^(NothingWritten: )?(CommandTimeoutError|AcquireTimeoutError|ReplyError)/

/**
 * A server that is merely busy keeps its connections, it is not taken for unreachable, and nobody is refused on its
 * account.
 */
export function kept({ pool, load }: World): string[] {
  if (pool === undefined) return []
  const found: string[] = []
  const { closed, breaker } = pool.stats()
  for (const reason of ['watchdog', 'health-check']) {
    const count = closed[reason] ?? 0
    if (count > 0) found.push(`${count} connections were closed (${reason}) although the server was only busy`)
  }
  const refused = load.calls.filter(({ verdict, error }) => verdict === 'not-sent' && !NOT_BY_US.test(error!))
  if (refused.length > 0) {
    found.push(`${refused.length} commands were refused although the server was only busy (${refused[0]!.error})`)
  }
  if (breaker !== 'closed') found.push(`the breaker is ${breaker} although the server was only busy`)
  return found
}
