import { ConfigError } from '../errors.js'
import type { Rule } from './rule.js'

/** A server that may serve a read. */
export interface ReadCandidate {
  readonly host: string
  readonly port: number
  readonly role: 'primary' | 'replica'
  /** How far it is behind its primary, ms; undefined when unknown. */
  readonly lagMs: number | undefined
  readonly availabilityZone: string | undefined
}

/** Chooses among the servers of a shard, the primary first; undefined leaves it to the primary. */
export type ReadFromFunction = (
  candidates: readonly ReadCandidate[],
  command: { readonly name: string },
) => ReadCandidate | undefined

/**
 * Which server commands that only read may go to: `primary`; `prefer-replica`, the primary when no replica can serve;
 * `replica`, an error when none can; or a function that chooses.
 */
export type ReadFrom = 'primary' | 'prefer-replica' | 'replica' | ReadFromFunction

const ACCEPTED = ['primary', 'prefer-replica', 'replica']

export const readFrom: Rule = {
  check(value, label) {
    if (typeof value === 'function' || (typeof value === 'string' && ACCEPTED.includes(value))) return value
    throw new ConfigError(`${label} must be one of ${ACCEPTED.join(', ')}, or a function`)
  },
  read(text, label) {
    if (ACCEPTED.includes(text)) return text
    throw new ConfigError(`${label} must be one of ${ACCEPTED.join(', ')}`)
  },
}

/** ioredis' `scaleReads: 'all'`: any server of the shard, the primary included. */
export const fromAny: ReadFromFunction = (candidates) => candidates[Math.floor(Math.random() * candidates.length)]

/**
 * ioredis' `scaleReads`. Its `slave` goes to the primary when there is no replica, so it is `prefer-replica` here.
 * @throws ConfigError
 */
export function fromScaleReads(value: unknown): ReadFrom {
  if (value === 'master') return 'primary'
  if (value === 'slave') return 'prefer-replica'
  if (value === 'all') return fromAny
  if (typeof value === 'function') return value as ReadFromFunction
  throw new ConfigError('scaleReads must be master, slave, all or a function; readFrom is its other name here')
}
