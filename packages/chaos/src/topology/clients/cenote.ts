import { type AcquireOptions, createPool, type PoolOptions } from 'cenote'
import { type CenoteClient, cenoteOver } from '../../cenote-client.js'
import type { SubscriptionListener } from '../../client.js'
import type { OpenTopologyClient, TopologyAddress } from '../scenario.js'

/**
 * The pool at its defaults, but for the deadline that the run asks for and the health check: what is held by nobody is
 * looked at often enough to be seen in a fault of a few seconds.
 */
export const cenoteTopology: OpenTopologyClient = (address: TopologyAddress): CenoteClient => {
  const { seeds, name, password, sentinelPassword, ca, timeoutMs } = address
  const nodes = seeds.map(({ host, port }) => ({ host, port }))
  const options = {
    ...(address.topology === 'cluster'
      ? { cluster: nodes }
      : { sentinels: nodes, name, ...(sentinelPassword === undefined ? {} : { sentinelPassword }) }),
    ...(password === undefined ? {} : { password }),
    ...(ca === undefined ? {} : { tls: { ca } }),
    ...(address.readFrom === 'replicas' ? { readFrom: 'prefer-replica' } : {}),
    commandTimeoutMs: timeoutMs,
    acquireTimeoutMs: timeoutMs,
    healthCheckIntervalMs: 500,
    // Room for the callers who borrow and block, on each of several servers.
    maxConnections: 60,
  }
  const pool = createPool(options as PoolOptions)
  const client = cenoteOver(pool)
  return {
    ...client,
    // On a cluster a lease is of the node that owns the key.
    exclusive: (key, work) =>
      pool.withConnection(
        (lease) => work(lease),
        address.topology === 'cluster' ? ({ key } as AcquireOptions) : undefined,
      ),
    ssubscribe: async (channels: readonly string[], listener: SubscriptionListener) => {
      pool.on('smessage', (channel: string, message: string) => listener.onMessage(channel, message))
      pool.on('gap', (gap: { from: number; to: number }) => listener.onGap(gap.from, gap.to))
      for (const channel of channels) await pool.ssubscribe(channel)
    },
  }
}
