import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { leakCheckEachTest, type RedisServer, startRedis } from '@cenote/test-support'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Connection } from './support/http.js'
import { alive, ServiceProcess } from './support/process.js'

let redis: RedisServer
const connections: Connection[] = []
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.stop())
leakCheckEachTest({ beforeEach, afterEach })
beforeEach(async () => {
  await redis.command('FLUSHALL')
})
afterEach(() => {
  for (const connection of connections.splice(0)) connection.close()
})

const account = { email: 'ann@example.test', password: 'a password nobody else has' }

function open(service: ServiceProcess): Connection {
  const connection = new Connection(service.url)
  connections.push(connection)
  return connection
}

async function logIn(service: ServiceProcess): Promise<string> {
  const connection = open(service)
  expect((await connection.send('POST', '/auth/register', { body: account })).status).toBe(201)
  const answer = await connection.send('POST', '/auth/login', { body: account })
  expect(answer.status).toBe(200)
  return JSON.parse(answer.body).accessToken
}

/** Checks its session again and again until told that the connection closes; counts what it was answered. */
async function checkUntilClosed(connection: Connection, token: string, codes: number[]): Promise<void> {
  for (;;) {
    const answer = await connection.send('GET', '/auth/me', { token })
    codes.push(answer.status)
    if (answer.headers.connection === 'close') return
  }
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10))
}

describe('the workers', () => {
  test('share one port, one budget and one account store; figures cover them all', async () => {
    await using service = await new ServiceProcess(redis, { WORKERS: '2' }).listening()
    expect(service.output).toMatch(/^auth-server listening on http:\/\/127\.0\.0\.1:\d+ \(2 workers, pid \d+\)\n$/)
    const token = await logIn(service)
    const seen = new Set<number>()
    while (seen.size < 2) {
      const connection = open(service)
      expect((await connection.send('GET', '/auth/me', { token })).status).toBe(200)
      seen.add(JSON.parse((await connection.send('GET', '/health')).body).worker)
    }
    const pool = JSON.parse((await open(service).send('GET', '/health/pool')).body)
    expect(pool.workers.map((one: { worker: number }) => one.worker)).toEqual([1, 2])
    // The development budget of 20, shared by two.
    expect(pool.workers.map((one: { redis: { connections: { max: number } } }) => one.redis.connections.max)).toEqual([
      10, 10,
    ])
    expect(pool.total).toMatchObject({ workers: 2, connections: { max: 20 }, waiters: 0, acquireTimeouts: 0 })
    expect(pool.total.commands.ok).toBeGreaterThan(3)
  })

  test('are replaced when they crash, on the same port, while the others go on', async () => {
    await using service = await new ServiceProcess(redis, { WORKERS: '2' }).listening()
    const token = await logIn(service)
    const before = await service.workers()
    const victim = before[0]!
    process.kill(victim.pid, 'SIGKILL')
    await service.printed(/"worker":1,"reason":"SIGKILL","delayMs":100,"msg":"worker ended/)
    expect((await open(service).send('GET', '/auth/me', { token })).status).toBe(200)
    await until(async () => (await service.workers()).length === 2)
    const after = await service.workers()
    expect(after.map((one) => one.worker)).toEqual([1, 2])
    expect(after[0]!.pid).not.toBe(victim.pid)
    expect(after[1]!.pid).toBe(before[1]!.pid)
  })

  test('the only worker, too, comes back where it was', async () => {
    await using service = await new ServiceProcess(redis, { WORKERS: '1' }).listening()
    const [victim] = await service.workers()
    process.kill(victim!.pid, 'SIGKILL')
    await service.printed(/replacing it/)
    const again = async () => {
      const [worker] = await service.workers().catch(() => [])
      return worker !== undefined && worker.pid !== victim!.pid
    }
    await until(again)
  })

  test('survive the loss of Redis: no restart, 503 meanwhile, success within a second of its return', async () => {
    await using own = await startRedis({ appendOnly: 'always' })
    await using service = await new ServiceProcess(own, {
      WORKERS: '2',
      CENOTE_AUTH_REDIS_TIMEOUT_MS: '500',
    }).listening()
    const token = await logIn(service)
    const before = await service.workers()
    const users = [1, 2, 3, 4].map(() => open(service))
    await own.kill()
    for (const answer of await Promise.all(users.map((user) => user.send('GET', '/auth/me', { token })))) {
      expect(answer.status).toBe(503)
      expect(answer.headers['retry-after']).toMatch(/^\d+$/)
    }
    await own.restart()
    const returned = performance.now()
    await Promise.all(
      users.map((user) => until(async () => (await user.send('GET', '/auth/me', { token })).status === 200)),
    )
    expect(performance.now() - returned).toBeLessThan(1000)
    expect(await service.workers()).toEqual(before.map((one) => expect.objectContaining({ pid: one.pid })))
  })
})

describe('SIGTERM', () => {
  const quickly = { WORKERS: '2', CENOTE_AUTH_KEEP_ALIVE_MS: '1000' }

  test('under load drops no request and ends with status 0', async () => {
    await using service = await new ServiceProcess(redis, { WORKERS: '2' }).listening()
    const token = await logIn(service)
    for (const connection of connections.splice(0)) connection.close()
    const pids = (await service.workers()).map((one) => one.pid)
    const codes: number[] = []
    const users = Array.from({ length: 40 }, () => checkUntilClosed(open(service), token, codes))
    const login = open(service)
    await login.send('GET', '/health')
    await until(() => codes.length > 800)
    // A login takes the longest: it must be answered as well.
    const slow = login.send('POST', '/auth/login', { body: account })
    service.child.kill('SIGTERM')
    // Rejects when a single request got no complete answer.
    await Promise.all(users)
    expect((await slow).status).toBe(200)
    expect(codes.every((code) => code === 200)).toBe(true)
    expect(await service.ended).toEqual({ code: 0, signal: null })
    expect(pids.filter(alive)).toEqual([])
  })

  test('answers the next request of a connection that was idle, and says that it closes', async () => {
    await using service = await new ServiceProcess(redis, {
      WORKERS: '1',
      CENOTE_AUTH_KEEP_ALIVE_MS: '3000',
    }).listening()
    const token = await logIn(service)
    for (const connection of connections.splice(0)) connection.close()
    const idle = open(service)
    await idle.send('GET', '/health')
    const watcher = open(service)
    await watcher.send('GET', '/health')
    service.child.kill('SIGTERM')
    // New connections are refused once the drain has begun.
    const { port } = new URL(service.url)
    await until(
      () =>
        new Promise<boolean>((resolve) => {
          const probe = connect(Number(port), '127.0.0.1', () => {
            probe.destroy()
            resolve(false)
          })
          probe.on('error', () => resolve(true))
        }),
    )
    const ready = await watcher.send('GET', '/ready')
    expect(ready.status).toBe(503)
    expect(JSON.parse(ready.body)).toMatchObject({ ready: false, checks: { accepting: false, redis: true } })
    const answer = await idle.send('GET', '/auth/me', { token })
    expect(answer.status).toBe(200)
    expect(answer.headers.connection).toBe('close')
    expect(await service.ended).toEqual({ code: 0, signal: null })
  })

  test('waits for idle connections no longer than their timeout', async () => {
    await using service = await new ServiceProcess(redis, quickly).listening()
    // By hand: Node's own client gives up a connection that is to live for a second only.
    const idle = connect(Number(new URL(service.url).port), '127.0.0.1')
    idle.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n')
    await once(idle, 'data')
    const closed = once(idle, 'close')
    service.child.kill('SIGTERM')
    expect(await service.ended).toEqual({ code: 0, signal: null })
    await closed
  })

  test('cuts off what is unfinished after the drain timeout, and says so by its status', async () => {
    await using service = await new ServiceProcess(redis, {
      ...quickly,
      CENOTE_AUTH_DRAIN_TIMEOUT_MS: '300',
    }).listening()
    const half: Socket = connect(Number(new URL(service.url).port), '127.0.0.1')
    half.on('error', () => {})
    half.write('GET /health HTTP/1.1\r\nHost: x\r\n')
    await service.workers()
    service.child.kill('SIGTERM')
    await once(half, 'close')
    expect(await service.ended).toEqual({ code: 1, signal: null })
    expect(service.output).toContain('drain timed out')
  })

  test('sent twice ends everything at once', async () => {
    await using service = await new ServiceProcess(redis, {
      ...quickly,
      CENOTE_AUTH_DRAIN_TIMEOUT_MS: '60000',
    }).listening()
    const pids = (await service.workers()).map((one) => one.pid)
    const half: Socket = connect(Number(new URL(service.url).port), '127.0.0.1')
    half.on('error', () => {})
    half.write('GET /health HTTP/1.1\r\nHost: x\r\n')
    await service.workers()
    service.child.kill('SIGTERM')
    service.child.kill('SIGINT')
    await once(half, 'close')
    expect((await service.ended).code).toBe(1)
    expect(pids.filter(alive)).toEqual([])
  })

  test('is not needed when the primary dies: its workers end by themselves', async () => {
    await using service = await new ServiceProcess(redis, quickly).listening()
    const pids = (await service.workers()).map((one) => one.pid)
    service.child.kill('SIGKILL')
    await until(() => !pids.some(alive))
  })
})

describe('the start', () => {
  test.each([
    [
      'in production without a key',
      { DEPLOYMENT_ENV: 'production' },
      /signing key must be given: set CENOTE_AUTH_PRIVATE/,
    ],
    ['with a variable it does not know', { CENOTE_AUTH_ISUER: 'x' }, /CENOTE_AUTH_ISUER is not a setting/],
    ['with a port that is none', { PORT: 'http' }, /PORT must be a whole number/],
    ['with a broken Redis URL', { REDIS_URL: 'http://x' }, /REDIS_URL|redis:/],
  ])('%s is refused with status 2 and a message', async (_name, env, message) => {
    await using service = new ServiceProcess(undefined, env)
    expect((await service.ended).code).toBe(2)
    expect(service.output).toMatch(message)
    expect(service.output).not.toContain('    at ')
  })

  test('on a port that is taken ends with the reason', async () => {
    await using first = await new ServiceProcess(redis).listening()
    await using second = new ServiceProcess(redis, { PORT: new URL(first.url).port })
    expect((await second.ended).code).toBe(1)
    expect(second.output).toMatch(/^auth-server: listen EADDRINUSE.*\n$/)
  })

  test('shows neither key nor Redis password, at whatever log level', async () => {
    const { generateKeyPairSync } = await import('node:crypto')
    const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    const pem = key.export({ type: 'pkcs8', format: 'pem' }).toString()
    await using guarded = await startRedis({ password: 'hunter2-of-redis' })
    await using service = await new ServiceProcess(guarded, {
      DEPLOYMENT_ENV: 'production',
      HOST: '127.0.0.1',
      LOG_LEVEL: 'trace',
      WORKERS: '2',
      CENOTE_AUTH_PRIVATE_KEY: pem,
      CENOTE_AUTH_KEEP_ALIVE_MS: '1000',
    }).listening()
    const token = await logIn(service)
    expect((await open(service).send('GET', '/auth/me', { token })).status).toBe(200)
    await guarded.kill()
    await service.printed(/redis connection trouble/)
    for (const connection of connections.splice(0)) connection.close()
    service.child.kill('SIGTERM')
    await service.ended
    expect(service.output).toContain('"route":"/auth/login"')
    const secrets = ['hunter2-of-redis', pem.split('\n')[1] as string, token, account.password]
    for (const secret of secrets) expect(service.output).not.toContain(secret)
  })
})
