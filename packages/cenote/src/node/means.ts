import type { ResolvedOptions } from '../config/options.js'
import type { LoopClock } from '../connection/clock.js'
import type { Command } from '../connection/command.js'
import type { ReplyError } from '../errors.js'
import type { Counters } from '../observe/counters.js'
import type { Credentials } from './credentials.js'
import type { Dial } from './dial.js'
import type { Dialer } from './dialer.js'
import type { Permits } from './permits.js'
import type { Judge } from './verdict.js'

/**
 * Asked what becomes of a command that a server of several has refused before it ran. `taken`: it is somebody else's
 * now, with all it belongs to. A number: it goes again here, after so many ms. undefined: like any refusal.
 */
export type Detour = (command: Command, error: ReplyError) => 'taken' | number | undefined

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
  readonly detour: Detour | undefined
}
