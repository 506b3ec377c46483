import dns from 'node:dns'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { freePort, leakCheckEachTest, scriptedPeer, startRedis } from '@cenote/test-support'
import { createPool, type RedisPool } from 'cenote'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { clients, HELLO, pause, ready, serving, until } from './support.js'

leakCheckEachTest({ beforeEach, afterEach })

const lookup = dns.lookup
afterEach(() => {
  dns.lookup = lookup
})

function resolveTo(...addresses: string[]): void {
  dns.lookup = ((_name: string, _options: object, done: (error: null, found: object[]) => void) =>
    process.nextTick(
      done,
      null,
      addresses.map((address) => ({ address, family: 4 })),
    )) as never
}

/** A pipe to a port that passes on every byte late, each way. */
async function slowPath(to: number, delayMs: number): Promise<{ port: number; close(): Promise<void> }> {
  const sockets: Socket[] = []
  const timers = new Set<NodeJS.Timeout>()
  const pass = (from: Socket, into: Socket): void => {
    from.on('error', () => undefined)
    from.on('data', (chunk) => {
      const timer = setTimeout(() => {
        timers.delete(timer)
        if (!into.destroyed) into.write(chunk)
      }, delayMs)
      timers.add(timer)
    })
    from.on('close', () => into.destroy())
  }
  const server = createServer((down) => {
    const up = connect(to, '127.0.0.1')
    sockets.push(down, up)
    pass(down, up)
    pass(up, down)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as { port: number }).port,
    async close() {
      for (const timer of timers) clearTimeout(timer)
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

describe('a dial has one budget of time', () => {
  it('and connects by TLS over a path that takes longer than a second for it', async () => {
    await using redis = await startRedis({ tls: true })
    const path = await slowPath(redis.tls!.port, 550)
    const pool = createPool({ port: path.port, tls: { ca: redis.tls!.ca }, connectTimeoutMs: 10_000 })
    await pool.connect().catch(() => undefined)
    await ready(pool)
    expect(pool.stats().dials).toMatchObject({ attempts: 1, failures: 0 })
    pool.disconnect()
    await path.close()
  })

  it('that ends also when the server says LOADING and then nothing more: the next dial serves', async () => {
    let loading = 0
    await using peer = await scriptedPeer(
      serving(([name]) => (name === 'ping' ? (++loading <= 3 ? '-LOADING in a moment\r\n' : undefined) : '+OK\r\n')),
      serving(() => '+OK\r\n'),
    )
    await using pool = createPool({ port: peer.port, connectTimeoutMs: 400 })
    expect(await pool.set('k', 1)).toBe('OK')
    expect(pool.stats().dials.lastError).toMatch(/still loading its data/)
    pool.disconnect()
  })
})

describe('addresses that do not answer', () => {
  it('cost a quarter of a second each, whatever the budget', async () => {
    const port = await freePort()
    // The queue of a stopped server takes two connections; what comes later is neither accepted nor refused.
    const config = { 'tcp-backlog': 1 }
    await using first = await startRedis({ port, config: { ...config, bind: '127.0.0.2' } })
    await using second = await startRedis({ port, config: { ...config, bind: '127.0.0.3' } })
    await using _live = await startRedis({ port, config: { bind: '127.0.0.4' } })
    const fillers: Socket[] = []
    for (const [server, host] of [
      [first, '127.0.0.2'],
      [second, '127.0.0.3'],
    ] as const) {
      server.pause()
      for (let i = 0; i < 6; i++) fillers.push(connect(port, host).on('error', () => undefined))
    }
    await pause(100)
    resolveTo('127.0.0.2', '127.0.0.3', '127.0.0.4')
    const pool = createPool({ host: 'redis.test', port, connectTimeoutMs: 1_200 })
    expect(await pool.ping()).toBe('PONG')
    expect(pool.stats().dials).toMatchObject({ attempts: 1, failures: 0 })
    pool.disconnect()
    for (const filler of fillers) filler.destroy()
    first.resume()
    second.resume()
  })
})

describe('a pool and its duplicates', () => {
  it('dial a server that resets at one pace, and do not shout', async () => {
    await using peer = await scriptedPeer((connection) => connection.reset())
    let errors = 0
    const pool = createPool({ port: peer.port, maxConnections: 40 })
    pool.on('error', () => errors++)
    const duplicates = Array.from({ length: 15 }, () => {
      const duplicate = pool.duplicate()
      duplicate.on('error', () => errors++)
      return duplicate
    })
    await pause(1_500)
    for (const duplicate of duplicates) duplicate.disconnect()
    pool.disconnect()
    // One probe after the other, at most five a second once the pause has grown; each client hears once a second.
    expect(peer.connections.length).toBeLessThanOrEqual(30)
    expect(errors).toBeLessThanOrEqual(75)
  })

  it('with other credentials do not stop each other', async () => {
    await using redis = await startRedis({ users: ['app on >pw ~* &* +@all'] })
    await using pool = createPool({ port: redis.port, username: 'app', password: 'pw', minConnections: 1 })
    await ready(pool)
    const wrong = pool.duplicate({ password: 'wrong' })
    const [error] = (await once(wrong, 'error')) as [Error]
    expect(error.message).toMatch(/refused the credentials/)
    expect(await pool.withConnection((connection) => connection.ping())).toBe('PONG')
    expect(pool.stats().breaker).toBe('closed')
    wrong.disconnect()
  })
})

describe('a server that wants no HELLO', () => {
  it.each([
    ['it does not know it', '-ERR unknown command `HELLO`, with args beginning with:\r\n'],
    ['its user may not say it', "-NOPERM this user has no permissions to run the 'hello' command\r\n"],
    ['it finds the syntax wrong', '-ERR Protocol version is not an integer or out of range\r\n'],
    ['it has an error of its own', '-PROXYERR unsupported\r\n'],
  ])('because %s, gets RESP2', async (_why, refusal) => {
    await using peer = await scriptedPeer((connection) =>
      connection.serve(([name = '']) => (/^hello$/i.test(name) ? refusal : name === 'get' ? '$1\r\nv\r\n' : '+OK\r\n')),
    )
    await using pool = createPool({ port: peer.port })
    expect(await pool.get('k')).toBe('v')
    pool.disconnect()
  })

  it('because it hangs up on it, gets RESP2', async () => {
    await using peer = await scriptedPeer(async (connection) => {
      const [name = ''] = await connection.readCommand()
      if (/^hello$/i.test(name)) connection.end()
      else {
        connection.write('+OK\r\n')
        await connection.serve(([next]) => (next === 'get' ? '$1\r\nv\r\n' : '+OK\r\n'))
      }
    })
    await using pool = createPool({ port: peer.port })
    expect(await pool.get('k')).toBe('v')
    pool.disconnect()
  })
})

describe('settings that cannot work', () => {
  const failing = async (pool: RedisPool): Promise<Error> => {
    const error = await pool.get('k').catch((reason: Error) => reason)
    const { attempts } = pool.stats().dials
    await pause(400)
    expect(pool.stats().dials.attempts - attempts).toBeLessThanOrEqual(1)
    return error as Error
  }

  it('a key that is no PEM is named, and not tried for ever', async () => {
    const pool = createPool({ port: await freePort(), tls: { key: 'not a key', cert: 'nor a certificate' } })
    const error = await failing(pool)
    expect(error).toMatchObject({ outcome: 'not-sent', code: 'CENOTE_TLS' })
    expect(error.message).toMatch(/check tls/)
    expect(error.message).not.toContain('not a key')
    pool.disconnect()
  })

  it('TLS to a plain port says so, and is not tried for ever', async () => {
    await using redis = await startRedis()
    const pool = createPool(`rediss://127.0.0.1:${redis.port}`, { connectTimeoutMs: 600 })
    const error = await failing(pool)
    expect(error).toMatchObject({ outcome: 'not-sent' })
    expect(`${error.message} ${pool.stats().dials.lastError}`).toMatch(/does not speak TLS/)
    pool.disconnect()
  })

  it('no TLS to a TLS port says so', async () => {
    await using redis = await startRedis({ tls: true })
    const pool = createPool({ port: redis.tls!.port, commandTimeoutMs: 300 })
    const error = await pool.get('k').catch((reason: Error) => reason)
    expect((error as Error).message).toMatch(/expects TLS/)
    pool.disconnect()
  })
})

describe('credentials', () => {
  it('that a server does not want are a warning, on either protocol', async () => {
    await using redis = await startRedis()
    const warnings: string[] = []
    const onWarning = (warning: Error) => warnings.push(warning.message)
    process.on('warning', onWarning)
    for (const protocol of [2, 3] as const) {
      await using pool = createPool({ port: redis.port, password: 'nobody asked', protocol })
      expect(await pool.ping()).toBe('PONG')
    }
    await until(() => warnings.length > 0)
    process.off('warning', onWarning)
    expect(warnings.join()).toMatch(/does not want the credentials/)
    expect(warnings.join()).not.toContain('nobody asked')
  })

  it('of a user go to a server that knows no users as a password', async () => {
    await using peer = await scriptedPeer((connection) =>
      connection.serve(([name = '', ...args]) => {
        if (/^hello$/i.test(name)) return "-ERR unknown command 'HELLO'\r\n"
        if (name === 'auth')
          return args.length === 2 ? "-ERR wrong number of arguments for 'auth' command\r\n" : '+OK\r\n'
        return name === 'get' ? '$1\r\nv\r\n' : '+OK\r\n'
      }),
    )
    await using pool = createPool({ port: peer.port, username: 'default', password: 'pw' })
    expect(await pool.get('k')).toBe('v')
    pool.disconnect()
  })

  it('with a user and no password are not dropped', async () => {
    await using redis = await startRedis({ users: ['app on nopass ~* &* +@all'] })
    for (const protocol of [2, 3] as const) {
      await using pool = createPool({ port: redis.port, username: 'app', protocol })
      expect(await pool.call('ACL', 'WHOAMI')).toBe('app')
    }
  })

  it('that are missing are an error that says so', async () => {
    await using redis = await startRedis({ password: 'pw' })
    await using pool = createPool({ port: redis.port })
    const [error] = (await once(pool, 'error')) as [Error & { code: string }]
    expect(error).toMatchObject({ code: 'CENOTE_AUTH', message: expect.stringContaining('asks for a password') })
    pool.disconnect()
  })

  it('that are refreshed reach duplicates', async () => {
    await using redis = await startRedis({ users: ['app on >first ~* &* +@all'] })
    let password = 'first'
    await using pool = createPool({
      port: redis.port,
      username: 'app',
      password: () => password,
      credentialsRefreshMs: 30,
    })
    const duplicate = pool.duplicate()
    await Promise.all([ready(pool), duplicate.ping()])
    await redis.command('ACL', 'SETUSER', 'app', '>second')
    password = 'second'
    await until(async () => (await clients(redis)).every((line) => line.includes('cmd=auth')))
    await redis.command('ACL', 'SETUSER', 'app', '<first')
    expect(await duplicate.set('k', 1)).toBe('OK')
    expect(pool.stats().dials.attempts).toBe(2)
    duplicate.disconnect()
  })
})

it('a server that accepts and never greets is given up in time, and dialled again', async () => {
  await using peer = await scriptedPeer(
    (connection) => connection.closed,
    (connection) =>
      connection.serve(([name = '']) => (/^hello$/i.test(name) ? HELLO : name === 'get' ? '$1\r\nv\r\n' : '+OK\r\n')),
  )
  await using pool = createPool({ port: peer.port, connectTimeoutMs: 200 })
  expect(await pool.get('k')).toBe('v')
  pool.disconnect()
})
