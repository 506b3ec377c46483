import { describe, expect, test } from 'vitest'
import { PasswordOverloadError, Passwords } from '../src/passwords.js'

describe('passwords', () => {
  test("are hashed by argon2id with OWASP's parameters, each with its own salt", async () => {
    const passwords = new Passwords({ concurrency: 2, maxQueued: 10 })
    const [one, two] = await Promise.all([passwords.hash('secret words'), passwords.hash('secret words')])
    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
    expect(one).not.toBe(two)
    expect(await passwords.verify(one, 'secret words')).toBe(true)
    expect(await passwords.verify(one, 'secret wordz')).toBe(false)
  })

  test('are the same however their characters are composed', async () => {
    const passwords = new Passwords({ concurrency: 1, maxQueued: 10 })
    expect(await passwords.verify(await passwords.hash('caf\u00e9 au lait'), 'cafe\u0301 au lait')).toBe(true)
  })

  test('an unknown account costs the same work as a known one and never matches', async () => {
    const passwords = new Passwords({ concurrency: 1, maxQueued: 10 })
    const stored = await passwords.hash('secret words')
    const cost = async (target: string | undefined) => {
      const before = process.cpuUsage()
      for (let i = 0; i < 10; i++) expect(await passwords.verify(target, 'guess')).toBe(false)
      const { user, system } = process.cpuUsage(before)
      return user + system
    }
    await cost(stored)
    const known = await cost(stored)
    const unknown = await cost(undefined)
    // No work at all would be thousands of times cheaper.
    expect(unknown).toBeGreaterThan(known / 4)
  })

  test('beyond the queue are refused at once, those queued all finish', async () => {
    const passwords = new Passwords({ concurrency: 1, maxQueued: 2 })
    const stored = await passwords.hash('secret words')
    const running = [1, 2, 3].map(() => passwords.verify(stored, 'secret words'))
    await Promise.resolve()
    await expect(passwords.verify(stored, 'secret words')).rejects.toThrow(PasswordOverloadError)
    expect(await Promise.all(running)).toEqual([true, true, true])
    expect(await passwords.verify(stored, 'secret words')).toBe(true)
  })
})
