import type { AcquireOptions, Lease, RedisPool } from 'cenote'

const LIMIT_MS = 2_000

/** After the load nobody holds a lease any more, so each one there is can be borrowed, and works. */
export async function leasesLeft(pool: RedisPool): Promise<string[]> {
  const { lanes, leased, max } = pool.stats().connections
  // One permit is kept for the probe of the watchdog and for the successor of a lane.
  const free = max - 1 - Math.max(1, lanes) - leased
  const found: string[] = []
  const held: Lease[] = []
  const borrow = async (): Promise<void> => {
    const lease = await pool.acquire({ timeoutMs: LIMIT_MS, label: 'after the load' })
    held.push(lease)
    const reply = await lease.call('ECHO', 'mine')
    if (reply !== 'mine') throw new Error(`its connection answered ${String(reply)}`)
  }
  await Promise.all(
    Array.from({ length: free }, () => borrow().catch((error: Error) => found.push(`${error.name}: ${error.message}`))),
  )
  await Promise.all(held.map((lease) => lease.release()))
  const subscribers = pool.stats().connections.leased
  if (subscribers > leased) found.push(`${subscribers} leases are out after all were returned`)
  return found.length === 0 ? [] : [`${found.length} of ${free} leases cannot be borrowed any more (${found[0]})`]
}

/** The same where connections belong to several servers: one lease of each shard can be borrowed, and works. */
export async function leasesLeftOf(pool: RedisPool, keys: readonly string[]): Promise<string[]> {
  const found: string[] = []
  for (const key of keys) {
    const options = { timeoutMs: LIMIT_MS, label: 'after the load', key } as AcquireOptions
    await pool
      .withConnection((lease) => lease.call('EXISTS', key), options)
      .catch((error: Error) => found.push(`a lease for ${key}: ${error.name}: ${error.message}`))
  }
  return found
}
