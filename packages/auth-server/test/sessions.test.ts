import { createHash } from 'node:crypto'
import { leakCheckEachTest, type RedisServer, startRedis } from '@cenote/test-support'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Harness, PASSWORD, type Tokens } from './support/harness.js'

let server: RedisServer
let service: Harness

beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())
leakCheckEachTest({ beforeEach, afterEach })
beforeEach(async () => {
  await server.command('FLUSHALL')
  service = new Harness(server)
})
afterEach(() => service[Symbol.asyncDispose]())

const keys = async () => ((await server.command('KEYS', 'auth:{*')) as string[]).map(String).sort()

describe('registering and logging in', () => {
  test('leads to a session that a check finds', async () => {
    const id = await service.register(' Ann@Example.test '.trim())
    const tokens = await service.login('ann@example.TEST')
    const me = await service.get('/auth/me', tokens.accessToken)
    expect(me.statusCode).toBe(200)
    expect(me.json()).toMatchObject({ id, email: 'ann@example.test', sessionId: tokens.sessionId })
  })

  test('an address is registered once, however it is written', async () => {
    await service.register('ann@example.test')
    const again = await service.post('/auth/register', { email: 'ANN@example.test', password: PASSWORD })
    expect(again.statusCode).toBe(409)
    expect(again.json()).toMatchObject({ type: 'urn:cenote:auth:email-taken' })
  })

  test('an unknown account and a wrong password get the same answer', async () => {
    await service.register('ann@example.test')
    const wrong = await service.post('/auth/login', { email: 'ann@example.test', password: 'not the password' })
    const unknown = await service.post('/auth/login', { email: 'bob@example.test', password: 'not the password' })
    expect(wrong.statusCode).toBe(401)
    const { requestId: _a, ...first } = wrong.json()
    const { requestId: _b, ...second } = unknown.json()
    expect(second).toEqual(first)
    expect(unknown.statusCode).toBe(401)
  })

  test.each([
    ['no password', { email: 'a@b.test' }],
    ['a short password', { email: 'a@b.test', password: '1234567' }],
    ['an endless password', { email: 'a@b.test', password: 'x'.repeat(129) }],
    ['no address', { email: 'nobody', password: PASSWORD }],
    ['a number for an address', { email: 5, password: PASSWORD }],
    ['an unknown member', { email: 'a@b.test', password: PASSWORD, admin: true }],
  ])('%s is refused before anything is done', async (_name, body) => {
    const answer = await service.post('/auth/register', body)
    expect(answer.statusCode).toBe(400)
    expect(answer.json()).toMatchObject({
      type: 'urn:cenote:auth:invalid-request',
      errors: [{ pointer: expect.stringMatching(/^\/body/) }],
    })
    expect(answer.body).not.toContain(PASSWORD)
  })

  test('Redis holds no token, password or secret, only hashes', async () => {
    await service.register('ann@example.test')
    const tokens = await service.login('ann@example.test')
    let held = ''
    for (const key of await keys()) {
      const command = key.endsWith(':sessions') ? ['ZRANGE', key, 0, -1] : ['HGETALL', key]
      held += `${key} ${JSON.stringify(((await server.command(...(command as string[]))) as string[]).map(String))}\n`
    }
    expect(held).toContain(tokens.sessionId)
    expect(held).toContain(createHash('sha256').update(tokens.refreshToken).digest('base64url'))
    const [, , family, secret] = tokens.refreshToken.split('.') as [string, string, string, string]
    for (const text of [tokens.accessToken, family, secret, PASSWORD]) expect(held).not.toContain(text)
  })
})

describe('refreshing', () => {
  let tokens: Tokens
  beforeEach(async () => {
    await service.register('ann@example.test')
    tokens = await service.login('ann@example.test')
  })

  test('gives new tokens of the same session; the chain goes on', async () => {
    let { refreshToken } = tokens
    for (let i = 0; i < 5; i++) {
      const answer = await service.refresh(refreshToken)
      expect(answer.statusCode).toBe(200)
      const next = answer.json<Tokens>()
      expect(next.sessionId).toBe(tokens.sessionId)
      expect(next.refreshToken).not.toBe(refreshToken)
      expect((await service.get('/auth/me', next.accessToken)).statusCode).toBe(200)
      refreshToken = next.refreshToken
    }
  })

  test('with a used token ends the session: neither the thief nor the owner goes on', async () => {
    const next = (await service.refresh(tokens.refreshToken)).json<Tokens>()
    const reuse = await service.refresh(tokens.refreshToken)
    expect(reuse.statusCode).toBe(401)
    expect(reuse.json()).toMatchObject({ type: 'urn:cenote:auth:refresh-token-reused' })
    expect((await service.refresh(next.refreshToken)).statusCode).toBe(401)
    expect((await service.get('/auth/me', next.accessToken)).statusCode).toBe(401)
    expect(await keys()).toEqual([])
    expect(service.log.join('')).toContain('refresh token reused')
  })

  test('with a token used two hundred rotations ago still ends the session', async () => {
    let { refreshToken } = tokens
    for (let i = 0; i < 200; i++) refreshToken = (await service.refresh(refreshToken)).json<Tokens>().refreshToken
    expect((await service.refresh(tokens.refreshToken)).json().type).toBe('urn:cenote:auth:refresh-token-reused')
    expect((await service.refresh(refreshToken)).statusCode).toBe(401)
  })

  test('with a reused token spares the other sessions of the account', async () => {
    const other = await service.login('ann@example.test')
    await service.refresh(tokens.refreshToken)
    await service.refresh(tokens.refreshToken)
    expect((await service.get('/auth/me', tokens.accessToken)).statusCode).toBe(401)
    expect((await service.get('/auth/me', other.accessToken)).statusCode).toBe(200)
    expect((await service.refresh(other.refreshToken)).statusCode).toBe(200)
  })

  test('by many at once with one token: one wins, and the session ends', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => service.refresh(tokens.refreshToken)))
    expect(answers.map((answer) => answer.statusCode).sort()).toEqual([200, ...Array(9).fill(401)])
    expect((await service.get('/auth/me', tokens.accessToken)).statusCode).toBe(401)
  })

  test('with a forged token is refused and ends nothing, even when the session is known', async () => {
    const [account, session, family, secret] = tokens.refreshToken.split('.') as [string, string, string, string]
    const flipped = (text: string) => (text[0] === 'A' ? 'B' : 'A') + text.slice(1)
    for (const forged of [
      [account, session, flipped(family), secret],
      [account, flipped(session), family, secret],
      [flipped(account), session, family, secret],
    ]) {
      const answer = await service.refresh(forged.join('.'))
      expect(answer.statusCode).toBe(401)
      expect(answer.json()).toMatchObject({ type: 'urn:cenote:auth:refresh-token-invalid' })
    }
    for (const garbage of ['x', '...', 'a.b.c.d', `${account}}:x.${session}.${family}.${secret}`]) {
      expect((await service.refresh(garbage)).statusCode).toBe(401)
    }
    expect((await service.refresh(tokens.refreshToken)).statusCode).toBe(200)
  })

  test('an access token does not pass for a refresh token, nor the other way round', async () => {
    expect((await service.refresh(tokens.accessToken)).statusCode).toBe(400)
    expect((await service.get('/auth/me', tokens.refreshToken)).statusCode).toBe(401)
  })
})

describe('lifetimes', () => {
  test('a session ends by itself in Redis, each refresh puts that off, but never beyond the maximum', async () => {
    await using short = new Harness(server, {
      CENOTE_AUTH_REFRESH_TOKEN_SECONDS: '100',
      CENOTE_AUTH_SESSION_MAX_SECONDS: '120',
    })
    const id = await short.register('ann@example.test')
    const tokens = await short.login('ann@example.test')
    const key = `auth:{${id}}:session:${tokens.sessionId}`
    const ttl = async () => Number(await server.command('PTTL', key)) / 1000
    expect(await ttl()).toBeGreaterThan(90)
    expect(await ttl()).toBeLessThanOrEqual(100)

    // As if the login had been 50 s ago.
    const created = Number(await server.command('HGET', key, 'created'))
    await server.command('HSET', key, 'created', created - 50_000)
    const refreshed = (await short.refresh(tokens.refreshToken)).json<{
      refreshToken: string
      refreshExpiresIn: number
    }>()
    expect(await ttl()).toBeLessThanOrEqual(70)
    expect(await ttl()).toBeGreaterThan(60)
    expect(refreshed.refreshExpiresIn).toBeLessThanOrEqual(70)

    await server.command('HSET', key, 'created', created - 120_000)
    expect((await short.refresh(refreshed.refreshToken)).statusCode).toBe(401)
  })

  test('the index of an account expires with its last session', async () => {
    const id = await service.register('ann@example.test')
    await service.login('ann@example.test')
    const ttl = Number(await server.command('PTTL', `auth:{${id}}:sessions`)) / 1000
    expect(ttl).toBeGreaterThan(service.config.refreshTokenSeconds - 60)
  })

  test('an account has at most so many sessions: the oldest gives way', async () => {
    await using few = new Harness(server, { CENOTE_AUTH_MAX_SESSIONS: '2' })
    await few.register('ann@example.test')
    const logins: Tokens[] = []
    for (let i = 0; i < 3; i++) logins.push(await few.login('ann@example.test'))
    const checks = await Promise.all(logins.map((login) => few.get('/auth/me', login.accessToken)))
    expect(checks.map((check) => check.statusCode)).toEqual([401, 200, 200])
    expect(await keys()).toHaveLength(3)
  })
})

describe('listing and ending sessions', () => {
  let first: Tokens
  let second: Tokens
  beforeEach(async () => {
    await service.register('ann@example.test')
    first = await service.login('ann@example.test')
    second = await service.login('ann@example.test')
  })

  test("the list shows the account's own sessions and marks the caller's", async () => {
    await service.register('bob@example.test')
    await service.login('bob@example.test')
    const { sessions } = (await service.get('/auth/sessions', first.accessToken)).json()
    const byId = Object.fromEntries(sessions.map((one: { id: string; current: boolean }) => [one.id, one.current]))
    expect(byId).toEqual({ [first.sessionId]: true, [second.sessionId]: false })
    expect(sessions[0]).toMatchObject({ address: '127.0.0.1', userAgent: expect.any(String) })
  })

  test('one session is ended by another, at once and for good', async () => {
    expect((await service.delete(`/auth/sessions/${second.sessionId}`, first.accessToken)).statusCode).toBe(204)
    expect((await service.get('/auth/me', second.accessToken)).statusCode).toBe(401)
    expect((await service.refresh(second.refreshToken)).statusCode).toBe(401)
    expect((await service.get('/auth/me', first.accessToken)).statusCode).toBe(200)
    expect((await service.delete(`/auth/sessions/${second.sessionId}`, first.accessToken)).statusCode).toBe(404)
  })

  test("somebody else's session cannot be ended", async () => {
    await service.register('bob@example.test')
    const bob = await service.login('bob@example.test')
    expect((await service.delete(`/auth/sessions/${first.sessionId}`, bob.accessToken)).statusCode).toBe(404)
    expect((await service.get('/auth/me', first.accessToken)).statusCode).toBe(200)
  })

  test('logging out ends the session of the token only, and may be repeated', async () => {
    for (let i = 0; i < 2; i++)
      expect((await service.post('/auth/logout', undefined, first.accessToken)).statusCode).toBe(204)
    expect((await service.get('/auth/me', first.accessToken)).statusCode).toBe(401)
    expect((await service.refresh(first.refreshToken)).statusCode).toBe(401)
    expect((await service.get('/auth/me', second.accessToken)).statusCode).toBe(200)
  })

  test('logging out everywhere ends all sessions and leaves no key', async () => {
    const answer = await service.post('/auth/logout-all', undefined, first.accessToken)
    expect(answer.json()).toEqual({ ended: 2 })
    for (const login of [first, second]) {
      expect((await service.get('/auth/me', login.accessToken)).statusCode).toBe(401)
      expect((await service.refresh(login.refreshToken)).statusCode).toBe(401)
    }
    expect(await keys()).toEqual([])
  })

  test('a token whose session has ended can do nothing', async () => {
    await service.post('/auth/logout', undefined, first.accessToken)
    const answers = await Promise.all([
      service.get('/auth/me', first.accessToken),
      service.get('/auth/sessions', first.accessToken),
      service.delete(`/auth/sessions/${second.sessionId}`, first.accessToken),
      service.post('/auth/logout-all', undefined, first.accessToken),
    ])
    for (const answer of answers) {
      expect(answer.statusCode).toBe(401)
      expect(answer.headers['www-authenticate']).toContain('Bearer error="invalid_token"')
    }
    expect((await service.get('/auth/me', second.accessToken)).statusCode).toBe(200)
  })

  test('without a token nothing is told', async () => {
    for (const url of ['/auth/me', '/auth/sessions']) {
      const answer = await service.get(url)
      expect(answer.statusCode).toBe(401)
      expect(answer.headers['www-authenticate']).toBe('Bearer')
    }
    const basic = await service.app.inject({ url: '/auth/me', headers: { authorization: 'Basic YTpi' } })
    expect(basic.statusCode).toBe(401)
  })

  test('a session check is a single command', async () => {
    await service.get('/auth/me', first.accessToken)
    const count = async () => {
      const stats = String(await server.command('INFO', 'stats'))
      return Number(/total_commands_processed:(\d+)/.exec(stats)?.[1])
    }
    const idle = -((await count()) - (await count()))
    const before = await count()
    for (let i = 0; i < 10; i++) await service.get('/auth/me', first.accessToken)
    expect((await count()) - before - idle).toBe(10)
  })
})

test('scripts run again after the server forgot them', async () => {
  await service.register('ann@example.test')
  const tokens = await service.login('ann@example.test')
  await server.command('SCRIPT', 'FLUSH')
  expect((await service.refresh(tokens.refreshToken)).statusCode).toBe(200)
})
