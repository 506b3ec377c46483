import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkCallOptions } from '../../src/config/call-options.js'
import { configError } from './support.js'

describe('call options', () => {
  it('are kept as they are, in an object of their own', () => {
    const { signal } = new AbortController()
    const given = { timeoutMs: 12.5, signal, idempotent: true, unordered: false }
    const options = checkCallOptions(given)
    expect(options).toEqual(given)
    given.timeoutMs = 99
    expect(options.timeoutMs).toBe(12.5)
    expect(Object.isFrozen(options)).toBe(true)
    expect(checkCallOptions(undefined)).toEqual({})
    expect(checkCallOptions({ timeoutMs: undefined, signal: undefined })).toEqual({})
    expect(checkCallOptions({ timeoutMs: 0 })).toEqual({ timeoutMs: 0 })
    expect(checkCallOptions(Object.create({ timeoutMs: 5 }))).toEqual({ timeoutMs: 5 })
    expect(checkCallOptions(Object.assign(Object.create(null), { timeoutMs: 5 }))).toEqual({ timeoutMs: 5 })
  })

  it.each<[unknown, RegExp]>([
    [{ timeout: 5 }, /Unknown call option timeout; .*timeoutMs/],
    [{ retries: 5 }, /Unknown call option retries; accepted: timeoutMs, signal, idempotent, unordered/],
    [{ timeoutMs: Number.NaN }, /timeoutMs must be a number of milliseconds from 0/],
    [{ timeoutMs: -1 }, /timeoutMs must be/],
    [{ timeoutMs: Number.POSITIVE_INFINITY }, /timeoutMs must be.*0 \(no deadline\)/],
    [{ timeoutMs: 2 ** 31 }, /timeoutMs must be/],
    [{ timeoutMs: '5' }, /timeoutMs must be/],
    [{ timeoutMs: null }, /timeoutMs must be/],
    [{ timeoutMs: 5n }, /timeoutMs must be/],
    [{ signal: new AbortController() }, /signal must be an AbortSignal/],
    [{ signal: null }, /signal must be an AbortSignal/],
    [{ idempotent: 1 }, /idempotent must be true or false/],
    [{ unordered: 'true' }, /unordered must be true or false/],
    [null, /must be an object with timeoutMs, signal, idempotent, unordered/],
    [[], /must be an object/],
    ['timeoutMs', /must be an object/],
    [5, /must be an object/],
    [() => 1, /must be an object/],
  ])('that are wrong are refused (%#)', (given, message) => {
    expect(configError(() => checkCallOptions(given)).message).toMatch(message)
  })

  it('are good or a ConfigError, whatever they are', () => {
    const key = fc.oneof(fc.constantFrom('timeoutMs', 'signal', 'idempotent', 'unordered'), fc.string())
    fc.assert(
      fc.property(fc.oneof(fc.anything({ withNullPrototype: true }), fc.dictionary(key, fc.anything())), (given) => {
        try {
          const { timeoutMs = 0 } = checkCallOptions(given)
          expect(timeoutMs).toBeGreaterThanOrEqual(0)
        } catch (error) {
          expect(error).toMatchObject({ code: 'CENOTE_CONFIG' })
        }
      }),
      { numRuns: 500 },
    )
  })
})
