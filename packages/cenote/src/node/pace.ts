import { RateLimit } from '../resilience/rate-limit.js'

/** Servers whose pace is remembered; a process that dials more is not one this was made for. */
const MAX_SERVERS = 256

const limits = new Map<string, RateLimit>()

/** How fast this process dials one server, whoever in it wants connections: pools to the same address share it. */
export function paceOf(server: string, perSecond: number): RateLimit {
  const key = `${server} ${perSecond}`
  const known = limits.get(key)
  if (known !== undefined) return known
  const limit = new RateLimit(perSecond)
  for (const oldest of limits.keys()) {
    if (limits.size < MAX_SERVERS) break
    limits.delete(oldest)
  }
  limits.set(key, limit)
  return limit
}
