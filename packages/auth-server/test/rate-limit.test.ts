import { leakCheckEachTest, type RedisServer, startRedis } from '@cenote/test-support'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { addressSubject, RateLimitedError, RateLimiter } from '../src/rate-limit.js'
import { Harness, PASSWORD } from './support/harness.js'

let server: RedisServer
beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())
leakCheckEachTest({ beforeEach, afterEach })
beforeEach(async () => {
  await server.command('FLUSHALL')
})

const wrong = (email: string) => ({ email, password: 'not the password' })

describe('login attempts', () => {
  test('per account are limited, whichever address they come from; the answer says when to return', async () => {
    await using service = new Harness(server, { CENOTE_AUTH_LOGIN_LIMIT_ACCOUNT: '3/600' })
    await service.register('ann@example.test')
    await service.register('bob@example.test')
    const from = (n: number, email: string) => service.post('/auth/login', wrong(email), undefined, `10.0.0.${n}`)
    for (let i = 1; i <= 3; i++) expect((await from(i, 'ann@example.test')).statusCode).toBe(401)
    const refused = await from(4, 'ANN@example.test')
    expect(refused.statusCode).toBe(429)
    expect(refused.headers['content-type']).toBe('application/problem+json')
    // One attempt is refilled after 600 s / 3.
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(190)
    expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(200)
    expect((await from(4, 'bob@example.test')).statusCode).toBe(401)
    // The right password does not help either: else guessing would go on.
    const right = await service.post('/auth/login', { email: 'ann@example.test', password: PASSWORD })
    expect(right.statusCode).toBe(429)
  })

  test('of unknown accounts are limited alike, so the limit does not say which exist', async () => {
    await using service = new Harness(server, { CENOTE_AUTH_LOGIN_LIMIT_ACCOUNT: '2/600' })
    const codes: number[] = []
    for (let i = 0; i < 3; i++) codes.push((await service.post('/auth/login', wrong('no@example.test'))).statusCode)
    expect(codes).toEqual([401, 401, 429])
  })

  test('per address are limited, and use up nobody else’s attempts', async () => {
    await using service = new Harness(server, {
      CENOTE_AUTH_LOGIN_LIMIT_ADDRESS: '2/600',
      CENOTE_AUTH_LOGIN_LIMIT_ACCOUNT: '3/600',
    })
    await service.register('ann@example.test')
    const attempt = (address: string) => service.post('/auth/login', wrong('ann@example.test'), undefined, address)
    const codes: number[] = []
    for (let i = 0; i < 6; i++) codes.push((await attempt('10.0.0.1')).statusCode)
    expect(codes).toEqual([401, 401, 429, 429, 429, 429])
    // The four refused ones have not been counted against the account.
    expect((await attempt('10.0.0.2')).statusCode).toBe(401)
    expect((await attempt('10.0.0.2')).statusCode).toBe(429)
  })

  test('that succeed give the account its attempts back', async () => {
    await using service = new Harness(server, { CENOTE_AUTH_LOGIN_LIMIT_ACCOUNT: '3/600' })
    await service.register('ann@example.test')
    for (let i = 0; i < 5; i++) {
      expect((await service.post('/auth/login', wrong('ann@example.test'))).statusCode).toBe(401)
      await service.login('ann@example.test')
    }
  })

  test('registrations are limited per address', async () => {
    await using service = new Harness(server, { CENOTE_AUTH_REGISTER_LIMIT_ADDRESS: '2/600' })
    await service.register('a@example.test')
    await service.register('b@example.test')
    const third = await service.post('/auth/register', { email: 'c@example.test', password: PASSWORD })
    expect(third.statusCode).toBe(429)
  })

  test('believe X-Forwarded-For only when told to', async () => {
    const attempt = (service: Harness, forwarded: string) =>
      service.app.inject({
        method: 'POST',
        url: '/auth/login',
        payload: wrong('ann@example.test'),
        headers: { 'x-forwarded-for': forwarded },
      })
    for (const [trust, expected] of [
      ['false', 429],
      ['true', 401],
    ] as const) {
      await server.command('FLUSHALL')
      await using service = new Harness(server, {
        CENOTE_AUTH_LOGIN_LIMIT_ADDRESS: '1/600',
        CENOTE_AUTH_TRUST_PROXY: trust,
      })
      await attempt(service, '10.0.0.1')
      expect((await attempt(service, '10.0.0.2')).statusCode).toBe(expected)
    }
  })
})

describe('the limiter', () => {
  test('lets exactly so many of a crowd pass, shared by several workers', async () => {
    await using one = new Harness(server)
    await using two = new Harness(server)
    const limiters = [one, two].map((each) => new RateLimiter(each.redis, 'x', { attempts: 7, windowSeconds: 3600 }))
    const results = await Promise.allSettled(Array.from({ length: 50 }, (_, i) => limiters[i % 2]!.take('crowd')))
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(7)
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(RateLimitedError)
    }
  })

  test('refills evenly', async () => {
    await using service = new Harness(server)
    // One attempt each 50 ms.
    const limiter = new RateLimiter(service.redis, 'x', { attempts: 20, windowSeconds: 1 })
    const passes = async () =>
      (await Promise.allSettled(Array.from({ length: 40 }, () => limiter.take('s')))).filter(
        (r) => r.status === 'fulfilled',
      ).length
    expect(await passes()).toBeGreaterThanOrEqual(20)
    const started = performance.now()
    await new Promise((resolve) => setTimeout(resolve, 250))
    const refilled = await passes()
    const elapsed = performance.now() - started
    expect(refilled).toBeGreaterThanOrEqual(4)
    expect(refilled).toBeLessThanOrEqual(elapsed / 50 + 2)
  })

  test('leaves no key behind for good', async () => {
    await using service = new Harness(server)
    await new RateLimiter(service.redis, 'x', { attempts: 7, windowSeconds: 60 }).take('s')
    const [key] = (await server.command('KEYS', '*')) as string[]
    expect(Number(await server.command('PTTL', String(key)))).toBeGreaterThan(0)
    expect(String(key)).toMatch(/^auth:limit:x:[\w-]{22}$/)
  })

  test.each([
    ['10.1.2.3', '10.1.2.3'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:db8::9', '2001:db8:0:0::/64'],
    ['2001:0db8::9', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ])('counts %s as %s', (address, subject) => {
    expect(addressSubject(address)).toBe(subject)
  })
})
