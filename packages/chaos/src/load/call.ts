import type { Verdict } from '../client.js'

/** One request as its caller saw it. */
export interface Call {
  readonly kind: KindName
  /** Names a write in the server's data. */
  readonly id: string
  readonly shard: number
  readonly at: number
  /** Blocked time of this process when it was issued, ms. */
  readonly lagAt: number
  /** How long it may take, ms; infinite for those who wait for ever. */
  readonly limitMs: number
  settledAt: number
  /** When its write was acknowledged, where more steps came after it. */
  writtenAt: number | undefined
  lag: number
  verdict: Verdict | undefined
  settlements: number
  /** The reply was not this caller's. */
  foreign: boolean
  error: string | undefined
  /** What the reply said, where a judgement needs it: the element popped, whether a transaction was applied. */
  told: unknown
}

export type KindName =
  | 'echo'
  | 'get'
  | 'push'
  | 'count'
  | 'pipeline'
  | 'transaction'
  | 'watch'
  | 'lease'
  | 'multi-key'
  | 'script'
  | 'feed'
  | 'pop'
  | 'pop-for-ever'

/** What EXEC told of a transaction that ran while the server refused some of its commands: no longer all or nothing. */
export const IN_PART = 'in part'

/** Said by the error not to have run. */
export function certainlyNot(call: Call): boolean {
  return call.verdict === 'rejected' || call.verdict === 'not-sent'
}

/** When its write was acknowledged. */
export function acknowledgedAt(call: Call): number {
  return call.writtenAt ?? call.settledAt
}
