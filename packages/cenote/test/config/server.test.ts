import dns from 'node:dns'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { leakCheckEachTest, type RedisServer, rawCommand, startRedis } from '@cenote/test-support'
import { createPool } from 'cenote'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

leakCheckEachTest({ beforeEach, afterEach })
afterEach(() => {
  vi.unstubAllEnvs()
})

const setVariables = (variables: Record<string, string | number>) => {
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, String(value))
}
const inDatabase = async (redis: RedisServer) => (await rawCommand(redis, 'INFO', 'keyspace')) as string

describe('a pool made without arguments reaches the server', () => {
  it('that REDIS_HOST, REDIS_PORT, REDIS_USERNAME, REDIS_PASSWORD and REDIS_DB describe', async () => {
    await using redis = await startRedis({ users: ['app on >s3cret ~* &* +@all'] })
    setVariables({
      REDIS_HOST: redis.host,
      REDIS_PORT: redis.port,
      REDIS_USERNAME: 'app',
      REDIS_PASSWORD: 's3cret',
      REDIS_DB: 3,
      REDIS_CLIENT_NAME: 'billing',
    })
    await using pool = createPool()
    await pool.set('k', 'v')
    expect(await inDatabase(redis)).toContain('db3:keys=1')
    expect(await rawCommand(redis, 'CLIENT', 'LIST')).toMatch(/name=billing .*user=app /)
  })

  it('that Kubernetes injects, with the password set beside it', async () => {
    await using redis = await startRedis({ password: 'p' })
    setVariables({
      REDIS_PORT: `tcp://${redis.host}:${redis.port}`,
      REDIS_SERVICE_HOST: redis.host,
      REDIS_SERVICE_PORT: redis.port,
      REDIS_PASSWORD: 'p',
    })
    await using pool = createPool()
    expect(await pool.set('k', 'v')).toBe('OK')
    expect(await inDatabase(redis)).toContain('db0:keys=1')
  })

  it('over TLS, with the files that variables name', async () => {
    await using redis = await startRedis({ tls: true })
    const { ca, clientCert, clientKey } = redis.tls!
    const file = (name: string, text: string) => {
      writeFileSync(join(redis.dir, name), text)
      return join(redis.dir, name)
    }
    setVariables({
      REDIS_URL: `redis://${redis.host}`,
      REDIS_PORT: redis.tls!.port,
      REDIS_TLS_CA_FILE: file('ca.pem', ca),
      REDIS_TLS_CERT_FILE: file('cert.pem', clientCert),
      REDIS_TLS_KEY_FILE: file('key.pem', clientKey),
    })
    await using pool = createPool()
    expect(await pool.ping()).toBe('PONG')
  })
})

describe('a pool made in code reaches', () => {
  it('the server it names, without what the environment says about another', async () => {
    await using redis = await startRedis()
    setVariables({ REDIS_HOST: 'elsewhere.invalid', REDIS_PASSWORD: 'p', REDIS_DB: 5, REDIS_TLS: 'true' })
    await using pool = createPool({ host: redis.host, port: redis.port })
    await pool.set('k', 'v')
    expect(await inDatabase(redis)).toContain('db0:keys=1')
  })

  it('the database of its URL, whatever the options say', async () => {
    await using redis = await startRedis()
    await using pool = createPool(`redis://${redis.host}:${redis.port}/3`, { db: 5 })
    await pool.set('k', 'v')
    expect(await inDatabase(redis)).toContain('db3:keys=1')
  })

  it('a Unix socket by URL with credentials and database', async () => {
    await using redis = await startRedis({ users: ['app on >s3/cret ~* &* +@all'] })
    await using pool = createPool(`unix://app:${encodeURIComponent('s3/cret')}@${redis.socketPath}?db=2`)
    await pool.set('k', 'v')
    expect(await inDatabase(redis)).toContain('db2:keys=1')
    expect(await pool.call('ACL', 'WHOAMI')).toBe('app')
  })
})

describe('localhost, the default,', () => {
  const original = dns.lookup
  afterEach(() => {
    dns.lookup = original
  })

  it('may be ::1 first, where nobody listens', async () => {
    await using redis = await startRedis({ config: { bind: '127.0.0.1' } })
    const asked: string[] = []
    dns.lookup = ((name: string, _options: object, done: (error: null, found: object[]) => void) => {
      asked.push(name)
      process.nextTick(done, null, [
        { address: '::1', family: 6 },
        { address: '127.0.0.1', family: 4 },
      ])
    }) as never
    await using pool = createPool({ port: redis.port })
    expect(await pool.set('k', 'v')).toBe('OK')
    expect(asked).toContain('localhost')
    expect(await redis.command('GET', 'k')).toBe('v')
  })
})
