import { leakCheckEachTest, scriptedPeer, startRedis } from '@cenote/test-support'
import { createPool } from 'cenote'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { clients, many, outcomes, ready, until } from './support.js'

leakCheckEachTest({ beforeEach, afterEach })

describe('READONLY', () => {
  it('sends writers to the server the name leads to now, and answers what the old one owes', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port })
    await ready(pool)
    await redis.command('REPLICAOF', '127.0.0.1', '1')
    const promoted = until(async () => pool.stats().commands.retried > 0).then(() =>
      redis.command('REPLICAOF', 'NO', 'ONE'),
    )
    const results = many(100, (i) => (i % 2 === 0 ? pool.set(`k${i}`, i) : pool.get(`k${i}`)))
    await promoted
    const counts = outcomes(await results)
    expect(counts).toEqual({ ok: 100 })
    expect(await redis.command('DBSIZE')).toBe(50)
    expect(pool.stats().commands.unknown).toBe(0)
  })

  it('for a moment is waited out: commands park until a primary answers, and none is refused', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port })
    await ready(pool)
    await redis.command('REPLICAOF', '127.0.0.1', '1')
    const calls = many(100, (i) => pool.set(`k${i}`, i))
    await until(() => (pool.stats().closed['read-only'] ?? 0) >= 3)
    await redis.command('REPLICAOF', 'NO', 'ONE')
    expect(outcomes(await calls)).toEqual({ ok: 100 })
    expect(pool.stats().commands.retried).toBeLessThanOrEqual(100)
  })

  it('for good is reported as rejected after two seconds, reads go on then, and dials stay few', async () => {
    await using redis = await startRedis()
    await redis.command('SET', 'k', 'value')
    await using pool = createPool({ port: redis.port })
    await ready(pool)
    await redis.command('REPLICAOF', '127.0.0.1', '1')
    const end = performance.now() + 2_600
    const seen: Record<string, number> = {}
    while (performance.now() < end) {
      const results = await many(20, (i) => (i % 2 === 0 ? pool.set('k', i) : pool.get('k')))
      for (const [name, count] of Object.entries(outcomes(results))) seen[name] = (seen[name] ?? 0) + count
    }
    expect(Object.keys(seen).sort()).toEqual(['CENOTE_REPLY rejected', 'ok'])
    expect(await redis.command('GET', 'k')).toBe('value')
    expect(pool.stats().dials.attempts).toBeLessThanOrEqual(30)
  })
})

describe('LOADING', () => {
  it('is waited out: commands park until the server has read its data', async () => {
    await using redis = await startRedis({
      appendOnly: true,
      config: { 'key-load-delay': 20, 'loading-process-events-interval-bytes': 1024, 'aof-use-rdb-preamble': 'no' },
    })
    await using pool = createPool({ port: redis.port, commandTimeoutMs: 20_000 })
    for (let i = 0; i < 20; i++) await many(1_000, (j) => pool.set(`k${i}:${j}`, 'x'.repeat(50)))
    const restarted = redis.restart()
    await until(() => pool.status !== 'ready')
    const results = await many(50, () => pool.incr('n'))
    await restarted
    expect(outcomes(results)).toEqual({ ok: 50 })
    expect(await redis.command('GET', 'n')).toBe('50')
  })
})

describe('credentials', () => {
  /** Forgets who we are right after the handshake, as a proxy does whose session ended. */
  const forgetful = () =>
    scriptedPeer((connection) => {
      let known = false
      return connection.serve(([name, ...args]) => {
        if (/^hello$/i.test(name!)) return '%1\r\n$2\r\nid\r\n:7\r\n'
        if (name === 'auth') known = args[0] === 'secret'
        if (name === 'set' && !known) return '-NOAUTH Authentication required.\r\n'
        return '+OK\r\n'
      })
    })

  it('are given again on the live connection to a server that forgot them, and the commands go through', async () => {
    await using peer = await forgetful()
    let asked = 0
    const password = async () => {
      asked++
      return 'secret'
    }
    await using pool = createPool({ port: peer.port, password })
    await ready(pool)
    expect(outcomes(await many(50, (i) => pool.set(`k${i}`, i)))).toEqual({ ok: 50 })
    expect(asked).toBe(2)
    expect(peer.connections).toHaveLength(1)
  })

  it('that were never given make NOAUTH stand at once', async () => {
    await using peer = await forgetful()
    await using pool = createPool({ port: peer.port })
    await expect(pool.set('k', 1)).rejects.toMatchObject({
      outcome: 'rejected',
      attempts: 1,
      message: 'NOAUTH Authentication required.',
    })
  })

  it('are renewed on live connections, idle and borrowed, without closing any', async () => {
    await using redis = await startRedis({ users: ['app on >first ~* &* +@all'] })
    let password = 'first'
    await using pool = createPool({ port: redis.port, username: 'app', password: () => password, minConnections: 2 })
    await ready(pool)
    await until(() => pool.stats().connections.idle === 2)
    const lease = await pool.acquire()
    const before = (await clients(redis)).map((line) => /id=(\d+)/.exec(line)![1])
    await redis.command('ACL', 'SETUSER', 'app', '>second')
    password = 'second'
    const auths = () =>
      redis
        .command('INFO', 'commandstats')
        .then((text) => Number(/cmdstat_auth:calls=(\d+)/.exec(String(text))?.[1] ?? 0))
    await pool.renewCredentials()
    await until(async () => (await auths()) >= 3)
    await redis.command('ACL', 'SETUSER', 'app', '<first')
    expect(await pool.set('k', 1)).toBe('OK')
    expect(await lease.get('k')).toBe('1')
    await lease.release()
    expect((await clients(redis)).map((line) => /id=(\d+)/.exec(line)![1])).toEqual(before)
  })

  it('are renewed by themselves every credentialsRefreshMs', async () => {
    await using redis = await startRedis({ password: 'secret' })
    let asked = 0
    const password = () => {
      asked++
      return 'secret'
    }
    await using pool = createPool({ port: redis.port, password, credentialsRefreshMs: 30 })
    await ready(pool)
    await until(() => asked >= 5)
    expect(pool.stats().dials.attempts).toBe(1)
  })

  it('whose function never answers make the dial fail in time, saying so', async () => {
    await using redis = await startRedis({ password: 'secret' })
    await using pool = createPool({
      port: redis.port,
      password: () => new Promise<string>(() => undefined),
      connectTimeoutMs: 100,
      commandTimeoutMs: 400,
    })
    const error = await pool.get('k').catch((error: unknown) => error)
    expect(error).toMatchObject({ outcome: 'not-sent' })
    expect((error as Error).message).toContain('the password function took too long')
    pool.disconnect()
  })

  it('never show in an error, whatever the server says', async () => {
    await using redis = await startRedis({ users: ['app on >hunter22 ~allowed +get'] })
    await using pool = createPool({ port: redis.port, username: 'app', password: 'hunter22' })
    const error = await pool.set('secret-key', 'secret-value').catch((error: unknown) => error)
    expect(error).toMatchObject({ outcome: 'rejected' })
    expect(JSON.stringify(error) + String(error)).not.toMatch(/hunter22|secret-value/)
  })
})

describe('retries', () => {
  it('stop with the budget, so that an outage is not amplified', async () => {
    let sent = 0
    await using peer = await scriptedPeer((connection) =>
      connection.serve(([name]) => {
        if (/^hello$/i.test(name!)) return "-ERR unknown command 'hello'\r\n"
        if (name === 'get') {
          sent++
          return '-LOADING in a moment\r\n'
        }
        return '+OK\r\n'
      }),
    )
    await using pool = createPool({ port: peer.port, retry: { budget: 20, attempts: 3 } })
    await ready(pool)
    const results = await many(200, () => pool.get('k'))
    expect(outcomes(results)).toEqual({ 'CENOTE_REPLY rejected': 200 })
    expect(sent).toBe(220)
    expect(pool.stats().commands.retried).toBe(20)
  })

  it('are at most three sends, and the error says how many there were', async () => {
    let sent = 0
    await using peer = await scriptedPeer((connection) =>
      connection.serve(([name]) => {
        if (/^hello$/i.test(name!)) return "-ERR unknown command 'hello'\r\n"
        if (name !== 'set') return '+OK\r\n'
        sent++
        return '-TRYAGAIN soon\r\n'
      }),
    )
    await using pool = createPool({ port: peer.port })
    await expect(pool.set('k', 1)).rejects.toMatchObject({ outcome: 'rejected', attempts: 3, message: 'TRYAGAIN soon' })
    expect(sent).toBe(3)
  })

  it('never go beyond the deadline', async () => {
    await using peer = await scriptedPeer((connection) =>
      connection.serve(([name]) =>
        /^hello$/i.test(name!)
          ? "-ERR unknown command 'hello'\r\n"
          : name === 'set'
            ? '-LOADING in a moment\r\n'
            : '+OK\r\n',
      ),
    )
    await using pool = createPool({
      port: peer.port,
      commandTimeoutMs: 200,
      retry: { baseDelayMs: 5_000, maxDelayMs: 5_000 },
    })
    const startedAt = performance.now()
    await expect(pool.set('k', 1)).rejects.toMatchObject({ outcome: 'rejected' })
    expect(performance.now() - startedAt).toBeLessThan(1_000)
  })
})
