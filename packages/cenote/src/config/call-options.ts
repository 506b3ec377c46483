import { ConfigError } from '../errors.js'
import { isObject, plainCopy } from './plain.js'
import { flag, onlyInCode, type Rule } from './rule.js'
import { checkKeys } from './unknown-key.js'

/** Terms of single calls: `redis.with({ timeoutMs: 100 }).get('k')`. */
export interface CallOptions {
  /** Deadline of each command, ms, instead of `commandTimeoutMs`. 0: none. Blocking ones keep their block time. */
  readonly timeoutMs?: number
  /**
   * Gives up: a waiting command is withdrawn (outcome `not-sent`), of a written one only the reply is dropped (outcome
   * `unknown`), a blocking one is called back from the server. An element that the server had handed out by then is
   * delivered, and the call succeeds although it was aborted: otherwise it would be lost.
   */
  readonly signal?: AbortSignal
  /** The command may run twice: it is sent again when its outcome is unknown. Default false. */
  readonly idempotent?: boolean
  /** The order against other commands does not matter. Default false. */
  readonly unordered?: boolean
}

const isSignal = (value: unknown): boolean =>
  isObject(value) && typeof value.aborted === 'boolean' && typeof value.addEventListener === 'function'

/** Fractions are fine: what remains of a deadline is seldom a whole number. */
const timeout: Rule = onlyInCode(
  (value) => typeof value === 'number' && value >= 0 && value < 2 ** 31,
  'a number of milliseconds from 0 (no deadline) to 2147483647',
)

const RULES: Readonly<Record<keyof CallOptions, Rule>> = {
  timeoutMs: timeout,
  signal: onlyInCode(isSignal, 'an AbortSignal'),
  idempotent: flag,
  unordered: flag,
}

const KEYS = Object.keys(RULES)

/**
 * The call options as a plain, frozen object: what the caller does to its own later changes nothing.
 * @throws ConfigError naming a key that is unknown or whose value is not accepted, and what is
 */
export function checkCallOptions(given: unknown): CallOptions {
  if (given === undefined) return Object.freeze({})
  if (!isObject(given)) throw new ConfigError(`Call options must be an object with ${KEYS.join(', ')}`)
  const options: Record<string, unknown> = {}
  const copy = plainCopy(given)
  checkKeys('call option', copy, KEYS)
  for (const [key, value] of Object.entries(copy)) {
    if (value === undefined) continue
    options[key] = RULES[key as keyof CallOptions].check(value, key)
  }
  return Object.freeze(options)
}
