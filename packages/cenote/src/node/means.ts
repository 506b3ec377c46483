import type { ResolvedOptions } from '../config/options.js'
import type { LoopClock } from '../connection/clock.js'
import type { Counters } from '../observe/counters.js'
import type { Credentials } from './credentials.js'
import type { Dial } from './dial.js'
import type { Dialer } from './dialer.js'
import type { Permits } from './permits.js'
import type { Judge } from './verdict.js'

/** What everything that has connections to one server shares. */
export interface Means {
  readonly options: ResolvedOptions
  readonly clock: LoopClock
  /** Of the whole pool. */
  readonly permits: Permits
  readonly dialer: Dialer
  /** How connections are opened: as whom, with which settings. */
  readonly dial: Dial
  readonly credentials: Credentials
  readonly judge: Judge
  readonly counters: Counters
}
