import { once } from 'node:events'
import { leakCheckEachTest, rawCommand, startRedis } from '@cenote/test-support'
import { createPool } from 'cenote'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

leakCheckEachTest({ beforeEach, afterEach })

describe('a connection is made', () => {
  it('over TCP, with user, password, database and name as the server sees them', async () => {
    await using redis = await startRedis({ users: ['app on >s3cret ~* &* +@all'] })
    await using pool = createPool({
      host: redis.host,
      port: redis.port,
      username: 'app',
      password: 's3cret',
      db: 3,
      connectionName: 'billing',
    })
    await pool.set('where', 'three')
    expect(await rawCommand(redis, 'CLIENT', 'LIST')).toMatch(/name=billing .*db=3 .*user=app /)
    expect(await pool.call('ACL', 'WHOAMI')).toBe('app')
    expect((await rawCommand(redis, 'INFO', 'keyspace')) as string).toContain('db3:keys=1')
  })

  it.each([2, 3] as const)('over a Unix socket with RESP%d', async (protocol) => {
    await using redis = await startRedis()
    await using pool = createPool({ path: redis.socketPath, protocol })
    expect(await pool.ping()).toBe('PONG')
    expect(await rawCommand(redis, 'CLIENT', 'LIST')).toMatch(new RegExp(`redis\\.sock.* resp=${protocol}$`, 'm'))
  })

  it('over TLS, verified against the authority it was given', async () => {
    await using redis = await startRedis({ tls: true })
    const { ca, clientCert, clientKey } = redis.tls!
    await using pool = createPool(redis.tls!.url, { tls: { ca, cert: clientCert, key: clientKey } })
    const text = 'ü'.repeat(200_000)
    await pool.set('k', text)
    expect(await pool.get('k')).toBe(text)
  })

  it('by URL with percent-encoded credentials', async () => {
    await using redis = await startRedis({ password: 'p@ss/wörd' })
    await using pool = createPool(`redis://:${encodeURIComponent('p@ss/wörd')}@${redis.host}:${redis.port}/2`)
    expect(await pool.set('k', 'v')).toBe('OK')
  })

  it('with a password asked for at each dial', async () => {
    await using redis = await startRedis({ password: 'fresh' })
    let asked = 0
    const password = async () => {
      asked++
      return 'fresh'
    }
    await using pool = createPool({ port: redis.port, password })
    await pool.ping()
    await pool.withConnection((lease) => lease.ping())
    expect(asked).toBe(2)
  })
})

describe('a refused connection says why, without secrets', () => {
  it('wrong password: rejected at once, not at the deadline', async () => {
    await using redis = await startRedis({ password: 'right' })
    await using pool = createPool({ port: redis.port, password: 'wr0ng-secret' })
    const error: Error = await pool.get('k').then(
      () => expect.unreachable(),
      (reason) => reason,
    )
    expect(error).toMatchObject({ code: 'CENOTE_AUTH', outcome: 'not-sent' })
    expect(error.message).toContain('WRONGPASS')
    expect(error.message).toContain('check username and password')
    expect(`${error.message}${error.stack}${JSON.stringify(error)}`).not.toContain('wr0ng-secret')
  })

  it('an untrusted certificate', async () => {
    await using redis = await startRedis({ tls: true })
    await using pool = createPool({ port: redis.tls!.port, tls: true, commandTimeoutMs: 300 })
    const [[error]] = await Promise.all([
      once(pool, 'error'),
      expect(pool.get('k')).rejects.toMatchObject({ outcome: 'not-sent' }),
    ])
    expect(error.message).toMatch(/certificate|CERT|SIGNATURE/i)
  })
})
