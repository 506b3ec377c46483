import { ConfigError } from '../errors.js'

/** What one option accepts. A value that passed `check` is kept as it returned it. */
export interface Rule {
  /** @throws ConfigError naming the option and what it accepts, never the value */
  readonly check: (value: unknown, label: string) => unknown
  /** Reads the text of a variable or a URL parameter. @throws ConfigError */
  readonly read: (text: string, label: string) => unknown
}

const MAX_TIMEOUT_MS = 2 ** 31 - 1

/** A whole number, also as text, as ioredis takes ports and databases. */
export function integer(min: number, max = Number.MAX_SAFE_INTEGER, among?: readonly number[]): Rule {
  const accepted = among === undefined ? `a whole number from ${min} to ${max}` : `one of ${among.join(', ')}`
  const check = (value: unknown, label: string): number => {
    const n = typeof value === 'string' && /^\d{1,16}$/.test(value.trim()) ? Number(value) : value
    const fits = typeof n === 'number' && Number.isSafeInteger(n) && n >= min && n <= max
    if (!fits || among?.includes(n) === false) throw new ConfigError(`${label} must be ${accepted}`)
    return n
  }
  return { check, read: check }
}

/** A time that may be 0, which switches off what it limits. */
export const milliseconds = integer(0, MAX_TIMEOUT_MS)
export const positiveMilliseconds = integer(1, MAX_TIMEOUT_MS)

export const flag: Rule = {
  check(value, label) {
    if (typeof value !== 'boolean') throw new ConfigError(`${label} must be true or false`)
    return value
  },
  read(text, label) {
    if (text === 'true' || text === '1') return true
    if (text === 'false' || text === '0') return false
    throw new ConfigError(`${label} must be true or false`)
  },
}

export function text(accepts: (value: string) => boolean = () => true, accepted = 'a string'): Rule {
  const check = (value: unknown, label: string): string => {
    if (typeof value !== 'string' || !accepts(value)) throw new ConfigError(`${label} must be ${accepted}`)
    return value
  }
  return { check, read: check }
}

export const oneOf = (...accepted: string[]): Rule =>
  text((value) => accepted.includes(value), `one of ${accepted.join(', ')}`)

/** What text cannot say. */
export function onlyInCode(accepts: (value: unknown) => boolean, accepted: string): Rule {
  return {
    check(value, label) {
      if (!accepts(value)) throw new ConfigError(`${label} must be ${accepted}`)
      return value
    },
    read(_text, label) {
      throw new ConfigError(`${label} can be given in code only: ${accepted}`)
    },
  }
}

/** The rule, and `null` besides. */
export const orNull = (rule: Rule): Rule => ({
  check: (value, label) => (value === null ? null : rule.check(value, label)),
  read: (text, label) => (text === 'null' ? null : rule.read(text, label)),
})

/** A password or whatever else text or a function asked for it can give. */
export const secret: Rule = {
  check(value, label) {
    if (typeof value === 'string' || typeof value === 'function') return value
    throw new ConfigError(`${label} must be a string or a function that returns one`)
  },
  read: (value) => value,
}
