import type { Config } from './config.js'
import type { Keys } from './keys.js'
import type { Lifecycle } from './lifecycle.js'
import type { Passwords } from './passwords.js'
import type { RateLimiter } from './rate-limit.js'
import type { RedisLike } from './redis/like.js'
import type { Sessions } from './sessions.js'
import type { AccountStore } from './store/types.js'
import type { AccessTokens } from './tokens.js'
import type { WorkerStats } from './worker-stats.js'

/** What the routes work with. */
export interface Services {
  readonly config: Config
  readonly keys: Keys
  readonly redis: RedisLike
  readonly accounts: AccountStore
  readonly sessions: Sessions
  readonly tokens: AccessTokens
  readonly passwords: Passwords
  readonly limits: {
    readonly loginAccount: RateLimiter
    readonly loginAddress: RateLimiter
    readonly registerAddress: RateLimiter
  }
  readonly lifecycle: Lifecycle
  /** Number of this worker, from 1. */
  readonly worker: number
  /** Figures of every worker, this one included. */
  readonly allWorkers: () => Promise<readonly WorkerStats[]>
}
