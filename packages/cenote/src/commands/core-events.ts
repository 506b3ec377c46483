import type { Connection } from '../connection/connection.js'
import type { PoolEvents } from '../pool/pool-core.js'
import type { LineEvents } from '../pool/private-line.js'
import type { Lifecycle } from './lifecycle.js'
import type { RedisPool } from './redis-pool.js'
import type { Router } from './router.js'

/** The parts of a client that hear of its connections. */
export interface Surface {
  readonly pool: RedisPool
  readonly lifecycle: Lifecycle
  readonly router: Router
}

/** What a pool makes of the events of its core. */
export function coreEvents({ pool, lifecycle, router }: Surface): PoolEvents {
  return {
    onConnecting: () => lifecycle.onConnecting(),
    onReady: () => lifecycle.onReady(),
    onLost: (error, willReconnect) => {
      if (willReconnect) lifecycle.onLost(error)
    },
    onError: (error) => lifecycle.onDialFailed(error),
    onPush: (connection: Connection, items: unknown[]) => router.onPush(connection, items),
    onFallback: (reason) => pool.emit('fallback', { active: reason !== undefined, reason }),
    onLeak: (label, heldMs, stack) => pool.emit('leak', { label, heldMs, stack }),
  }
}

/** What a duplicate makes of the events of its connection, which carries its subscriptions too. */
export function lineEvents({ lifecycle, router }: Surface): LineEvents {
  return {
    onConnecting: () => lifecycle.onConnecting(),
    onReady: () => {
      lifecycle.onReady()
      router.subscriptions.restore()
    },
    onLost: (error, willReconnect, silentMs) => {
      router.subscriptions.onLost(silentMs, error.message)
      if (willReconnect) lifecycle.onLost(error)
    },
    onError: (error) => lifecycle.onDialFailed(error),
    onPush: (connection, items) => router.onPush(connection, items),
  }
}
