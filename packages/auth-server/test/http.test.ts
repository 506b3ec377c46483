import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { leakCheckEachTest, type RedisServer, startRedis } from '@cenote/test-support'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Harness, PASSWORD } from './support/harness.js'

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

describe('every error is a problem (RFC 9457) that tells nothing of the inside', () => {
  const json = { 'content-type': 'application/json' }
  test.each([
    ['an unknown path', { method: 'GET', url: '/nope' }, 404],
    ['an unknown method', { method: 'PUT', url: '/auth/me' }, 404],
    ['a missing token', { method: 'GET', url: '/auth/me' }, 401],
    ['half a body', { method: 'POST', url: '/auth/login', headers: json, payload: '{"email":' }, 400],
    ['a body that is a list', { method: 'POST', url: '/auth/login', headers: json, payload: '[]' }, 400],
    ['no body', { method: 'POST', url: '/auth/login' }, 400],
    [
      'another media type',
      { method: 'POST', url: '/auth/login', headers: { 'content-type': 'text/xml' }, payload: 'x' },
      415,
    ],
    [
      'a body too large',
      { method: 'POST', url: '/auth/login', headers: json, payload: `"${'x'.repeat(20_000)}"` },
      413,
    ],
    ['prototype poisoning', { method: 'POST', url: '/auth/login', headers: json, payload: '{"__proto__":{}}' }, 400],
    ['a broken URL', { method: 'GET', url: '/%zz' }, 400],
    ['a bad session id', { method: 'DELETE', url: '/auth/sessions/..%2f' }, 400],
  ] as const)('%s', async (_name, request, status) => {
    const answer = await service.app.inject(request as never)
    expect(answer.statusCode).toBe(status)
    expect(answer.headers['content-type']).toBe('application/problem+json')
    const problem = answer.json()
    expect(problem).toMatchObject({
      type: expect.stringMatching(/^urn:cenote:auth:/),
      status,
      title: expect.any(String),
    })
    expect(problem.requestId).toBe(answer.headers['x-request-id'])
    expect(answer.body).not.toMatch(/FST_|node_modules| at |\.ts|\.js/)
  })

  test('an unforeseen failure is a 500 without its message, which the log has', async () => {
    await service.register('ann@example.test')
    const tokens = await service.login('ann@example.test')
    const id = tokens.refreshToken.split('.')[0]
    await server.command('DEL', `auth:{${id}}:session:${tokens.sessionId}`)
    await server.command('SET', `auth:{${id}}:session:${tokens.sessionId}`, 'not a hash')
    const answer = await service.get('/auth/me', tokens.accessToken)
    expect(answer.statusCode).toBe(500)
    expect(answer.json()).toMatchObject({ type: 'urn:cenote:auth:internal-error', title: 'Internal error' })
    expect(answer.body).not.toContain('WRONGTYPE')
    expect(service.log.join('')).toContain('WRONGTYPE')
  })

  test('bytes that are not HTTP get a 400 problem, then the connection ends', async () => {
    await service.app.listen({ port: 0, host: '127.0.0.1' })
    const { port } = service.app.server.address() as AddressInfo
    const answer = await new Promise<string>((resolve, reject) => {
      let text = ''
      const socket = connect(port, '127.0.0.1', () => socket.write('not http\r\n\r\n'))
      socket.on('data', (chunk) => {
        text += chunk
      })
      socket.on('close', () => resolve(text))
      socket.on('error', reject)
    })
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(answer).toContain('application/problem+json')
    expect(answer).toContain('urn:cenote:auth:invalid-request')
  })
})

describe('headers', () => {
  test('forbid framing, sniffing, scripts and caching, on errors too', async () => {
    for (const url of ['/health', '/auth/me', '/nope', '/%zz']) {
      expect((await service.get(url)).headers).toMatchObject({
        'cache-control': 'no-store',
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
        'referrer-policy': 'no-referrer',
        'strict-transport-security': expect.stringContaining('max-age='),
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
      })
    }
    expect((await service.get('/health')).headers).not.toHaveProperty('x-powered-by')
  })

  test('tell the server’s own time and that of Redis', async () => {
    await service.register('ann@example.test')
    const { accessToken } = await service.login('ann@example.test')
    const timing = String((await service.get('/auth/me', accessToken)).headers['server-timing'])
    const [, app, redis] = /^app;dur=([\d.]+), redis;dur=([\d.]+)$/.exec(timing) as unknown as [string, string, string]
    expect(Number(redis)).toBeGreaterThan(0)
    expect(Number(app)).toBeGreaterThanOrEqual(Number(redis))
  })

  test('carry a request id: the caller’s if harmless, else a new one', async () => {
    const withId = (id: string) => service.app.inject({ url: '/health', headers: { 'x-request-id': id } })
    expect((await withId('abc-1.2_X')).headers['x-request-id']).toBe('abc-1.2_X')
    for (const bad of ['a b', 'x'.repeat(65), '{"level":60}', '']) {
      expect((await withId(bad)).headers['x-request-id']).toMatch(/^[\w-]{8}-\w+$/)
    }
    const [one, two] = [await service.get('/health'), await service.get('/health')]
    expect(one.headers['x-request-id']).not.toBe(two.headers['x-request-id'])
  })
})

describe('what the service tells about itself', () => {
  test('public keys, under which its tokens verify with any library', async () => {
    await service.register('ann@example.test')
    const { accessToken } = await service.login('ann@example.test')
    const { keys } = (await service.get('/.well-known/jwks.json')).json()
    const [head, body, signature] = accessToken.split('.') as [string, string, string]
    const { kid } = JSON.parse(Buffer.from(head, 'base64url').toString())
    const jwk = keys.find((key: { kid: string }) => key.kid === kid)
    const key = await crypto.subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['verify'])
    const algorithm = { name: 'ECDSA', hash: 'SHA-256' }
    const good = await crypto.subtle.verify(
      algorithm,
      key,
      Buffer.from(signature, 'base64url'),
      Buffer.from(`${head}.${body}`),
    )
    expect(good).toBe(true)
  })

  test('health of the process, of Redis and of the pool', async () => {
    expect((await service.get('/health')).json()).toMatchObject({ status: 'ok', pid: process.pid, worker: 1 })
    // Connecting takes a moment; a command waits for it, a health check tells the truth.
    await service.register('ann@example.test')
    const redis = await service.get('/health/redis')
    expect(redis.statusCode).toBe(200)
    expect(redis.json()).toMatchObject({
      status: 'healthy',
      latencyMs: expect.any(Number),
      lastError: null,
      connections: { total: expect.any(Number), max: expect.any(Number), leased: 0 },
      waiters: 0,
      utilization: 0,
    })
    const pool = (await service.get('/health/pool')).json()
    expect(pool.total).toMatchObject({ workers: 1, waiters: 0, utilization: 0, acquireTimeouts: 0 })
    expect(pool.workers).toHaveLength(1)
    const ready = await service.get('/ready')
    expect(ready.json()).toEqual({ ready: true, checks: { accepting: true, redis: true, accounts: true } })
  })
})

test('no password, token or secret ever reaches the log, even at its most talkative', async () => {
  await service.register('ann@example.test')
  const tokens = await service.login('ann@example.test')
  const next = (await service.refresh(tokens.refreshToken)).json()
  await service.get('/auth/me', next.accessToken)
  await service.refresh(tokens.refreshToken)
  await service.post('/auth/login', { email: 'ann@example.test', password: 'a wrong password' })
  await service.post('/auth/login', { email: 'ann@example.test', password: 'short', more: PASSWORD })
  await service.get('/auth/me', 'not.a.token')
  await service.get(`/auth/me?token=${next.accessToken}`)
  await service.app.inject({
    method: 'POST',
    url: '/auth/login',
    headers: { 'content-type': 'application/json' },
    payload: `{"password":"${PASSWORD}"`,
  })
  const log = service.log.join('')
  expect(service.log.length).toBeGreaterThan(8)
  for (const line of service.log) expect(() => JSON.parse(line)).not.toThrow()
  const secrets = [
    PASSWORD,
    'a wrong password',
    ...tokens.accessToken.split('.').slice(1),
    next.accessToken,
    ...tokens.refreshToken.split('.').slice(2),
    ...next.refreshToken.split('.').slice(2),
    '$argon2id',
    'PRIVATE KEY',
    'not.a.token',
  ]
  for (const secret of secrets) expect(log).not.toContain(secret)
})
