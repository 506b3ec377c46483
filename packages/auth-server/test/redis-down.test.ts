import { leakCheckEachTest, type RedisServer, startRedis } from '@cenote/test-support'
import type { LightMyRequestResponse } from 'fastify'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { RedisUnavailableError, redisFailure } from '../src/redis/like.js'
import { Harness, type Tokens } from './support/harness.js'

leakCheckEachTest({ beforeEach, afterEach })

/** Checks until one succeeds; the time of the first success, on the clock of performance.now(). */
async function firstSuccess(service: Harness, token: string): Promise<number> {
  for (;;) {
    const answer = await service.get('/auth/me', token)
    // Redis came back empty: 401 is an answer from Redis, too.
    if (answer.statusCode === 200 || answer.statusCode === 401) return performance.now()
    expect(answer.statusCode).toBe(503)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

function expectUnavailable(answer: LightMyRequestResponse): void {
  expect(answer.statusCode).toBe(503)
  expect(Number(answer.headers['retry-after'])).toBeGreaterThanOrEqual(1)
  expect(answer.headers['content-type']).toBe('application/problem+json')
  expect(answer.json()).toMatchObject({ type: 'urn:cenote:auth:store-unavailable' })
  expect(answer.json().outcome).toMatch(/^(not-sent|unknown|rejected)$/)
}

describe('without Redis', () => {
  let server: RedisServer
  let service: Harness
  let tokens: Tokens
  beforeEach(async () => {
    server = await startRedis({ appendOnly: 'always' })
    service = new Harness(server, { CENOTE_AUTH_REDIS_TIMEOUT_MS: '600' })
    await service.register('ann@example.test')
    tokens = await service.login('ann@example.test')
  })
  afterEach(async () => {
    await service[Symbol.asyncDispose]()
    await server.stop()
  })

  async function expectAllRefusedInTime(): Promise<void> {
    const started = performance.now()
    const answers = await Promise.all([
      ...Array.from({ length: 50 }, () => service.get('/auth/me', tokens.accessToken)),
      service.get('/auth/sessions', tokens.accessToken),
      service.post('/auth/login', { email: 'ann@example.test', password: 'whatever it is' }),
      service.post('/auth/logout', undefined, tokens.accessToken),
    ])
    // The deadline is 600 ms; the rest is for a busy machine.
    expect(performance.now() - started).toBeLessThan(3000)
    for (const answer of answers) expectUnavailable(answer)
    expect((await service.get('/health')).statusCode).toBe(200)
    const [health, ready] = await Promise.all([service.get('/health/redis'), service.get('/ready')])
    expect(health.statusCode).toBe(503)
    expect(health.json()).toMatchObject({ status: 'unhealthy', connections: expect.any(Object) })
    expect(ready.statusCode).toBe(503)
    expect(ready.json()).toMatchObject({ ready: false, checks: { redis: false, accounts: true } })
  }

  test('killed: every answer is a 503 within the deadline, and all is well within a second of its return', async () => {
    await server.kill()
    await expectAllRefusedInTime()
    await server.restart()
    const returned = performance.now()
    expect((await firstSuccess(service, tokens.accessToken)) - returned).toBeLessThan(1000)
    // What Redis had kept is there again, and the service can write.
    expect((await service.get('/auth/me', tokens.accessToken)).statusCode).toBe(200)
    expect((await service.refresh(tokens.refreshToken)).statusCode).toBe(200)
    expect((await service.get('/health/redis')).statusCode).toBe(200)
    expect((await service.get('/ready')).statusCode).toBe(200)
  })

  test('silent: every answer is a 503 within the deadline, and all is well once it speaks again', async () => {
    server.pause()
    try {
      await expectAllRefusedInTime()
    } finally {
      server.resume()
    }
    const returned = performance.now()
    expect((await firstSuccess(service, tokens.accessToken)) - returned).toBeLessThan(1000)
  })

  test('killed under load: every request is answered, failures are 503 only, success follows', async () => {
    let stop = false
    const codes = new Map<number, number>()
    const users = Array.from({ length: 20 }, async () => {
      while (!stop) {
        const { statusCode } = await service.get('/auth/me', tokens.accessToken)
        codes.set(statusCode, (codes.get(statusCode) ?? 0) + 1)
        if (statusCode !== 200) await new Promise((resolve) => setTimeout(resolve, 20))
      }
    })
    const until = async (status: number, more: number) => {
      const goal = (codes.get(status) ?? 0) + more
      while ((codes.get(status) ?? 0) < goal) await new Promise((resolve) => setTimeout(resolve, 5))
    }
    await until(200, 100)
    await server.kill()
    await until(503, 40)
    await server.restart()
    await until(200, 200)
    stop = true
    await Promise.all(users)
    expect([...codes.keys()].sort()).toEqual([200, 503])
  })
})

describe('a failure of the Redis client', () => {
  const failure = (fields: object, message = 'x') => redisFailure(Object.assign(new Error(message), fields))

  test('keeps what is known of its outcome and when to come again', () => {
    expect(failure({ outcome: 'not-sent', retryAfterMs: 2500 })).toMatchObject({
      outcome: 'not-sent',
      retryAfterSeconds: 3,
    })
    expect(failure({ outcome: 'unknown' })).toMatchObject({ outcome: 'unknown', retryAfterSeconds: 1 })
    expect(failure({})).toMatchObject({ outcome: 'unknown' })
  })

  test.each([
    'LOADING Redis is loading',
    'READONLY no',
    'OOM command not allowed',
    'ERR max number of clients reached',
  ])('is a 503 when the server says %s', (message) => {
    expect(failure({ name: 'ReplyError' }, message)).toBeInstanceOf(RedisUnavailableError)
  })

  test.each(['WRONGTYPE Operation', 'ERR unknown command', 'ERR Error running script'])(
    'is a mistake of ours when the server says %s',
    (message) => {
      expect(failure({ name: 'ReplyError' }, message)).not.toBeInstanceOf(RedisUnavailableError)
    },
  )
})
