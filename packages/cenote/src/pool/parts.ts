import type { Connection } from '../connection/connection.js'
import type { Counters } from '../observe/counters.js'
import type { ConnectionBudget } from './budget.js'
import type { Dialer } from './dialer.js'
import type { Fallback } from './fallback.js'
import type { Judge } from './verdict.js'
import type { Watchdog } from './watchdog.js'

/** What lanes and leases share of their pool. */
export interface PoolParts {
  readonly counters: Counters
  readonly judge: Judge
  readonly dialer: Dialer
  readonly watchdog: Watchdog
  readonly budget: ConnectionBudget
  readonly fallback: Fallback | undefined
  /** The server forgot who we are: authenticates the connection anew, once for all who ask. */
  authenticate(connection: Connection): void
  /** False before the first connection was ready, and while new ones cannot be opened. */
  serving(): boolean
}
