import { existsSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { connect } from 'node:tls'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  findRedisServer,
  leakCheckEachTest,
  RawReplyError,
  rawCommand,
  runningServers,
  startRedis,
  tlsCertificates,
} from '../src/index.js'

leakCheckEachTest({ beforeEach, afterEach })

const foldersLeft = () => readdirSync(tmpdir()).filter((name) => name.startsWith('cenote-redis-'))

describe('startRedis', () => {
  test('serves the same data over TCP and over its Unix socket', async () => {
    await using redis = await startRedis()
    expect(await rawCommand({ port: redis.port }, 'SET', 'k', 'v')).toBe('OK')
    expect(await rawCommand({ path: redis.socketPath }, 'GET', 'k')).toBe('v')
    expect(redis.url).toBe(`redis://127.0.0.1:${redis.port}`)
  })

  test('gives each server its own data, port and folder', async () => {
    await using one = await startRedis()
    await using two = await startRedis()
    await one.command('SET', 'k', 'one')
    expect(await two.command('GET', 'k')).toBeNull()
    expect(one.port).not.toBe(two.port)
    expect(one.dir).not.toBe(two.dir)
  })

  test('stop() ends the process and removes its folder', async () => {
    const redis = await startRedis({ appendOnly: true })
    const { pid, dir } = redis
    expect(existsSync(dir)).toBe(true)
    await redis.stop()
    expect(() => process.kill(pid, 0)).toThrow(/ESRCH/)
    expect(existsSync(dir)).toBe(false)
    expect(runningServers()).toEqual([])
  })

  test('comes back on the same port after kill() and restart(), with its data when it appends', async () => {
    await using redis = await startRedis({ appendOnly: 'always' })
    const { pid, port } = redis
    await redis.command('SET', 'k', 'kept')
    const exited = redis.exited
    await redis.kill()
    expect(await exited).toEqual({ code: null, signal: 'SIGKILL' })
    await expect(rawCommand({ port }, 'PING')).rejects.toThrow(/ECONNREFUSED/)
    await redis.restart()
    expect(redis.pid).not.toBe(pid)
    expect(await rawCommand({ port }, 'GET', 'k')).toBe('kept')
  })

  test('pause() leaves commands unanswered until resume()', async () => {
    await using redis = await startRedis()
    redis.pause()
    let answered = false
    const reply = redis.command('PING').then((value) => {
      answered = true
      return value
    })
    // The kernel accepts the connection and the bytes; a second round trip through the event loop proves nothing came.
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(answered).toBe(false)
    redis.resume()
    expect(await reply).toBe('PONG')
  })

  test('a paused server can still be stopped and killed by SIGTERM', async () => {
    await using redis = await startRedis()
    redis.pause()
    await redis.kill('SIGTERM')
    expect(redis.running).toBe(false)
  })

  test('asks for the password, whatever characters it has', async () => {
    const password = 'sl/ash "quote" b\\ack é@:'
    await using redis = await startRedis({ password })
    await expect(rawCommand({ port: redis.port }, 'PING')).rejects.toThrow(RawReplyError)
    expect(await rawCommand({ port: redis.port, password }, 'PING')).toBe('PONG')
    expect(decodeURIComponent(new URL(redis.url).password)).toBe(password)
  })

  test('knows the ACL users it was given', async () => {
    await using redis = await startRedis({ users: ['alice on >secret ~a:* +get +set'] })
    const alice = { port: redis.port, username: 'alice', password: 'secret' }
    expect(await rawCommand(alice, 'SET', 'a:1', 'x')).toBe('OK')
    await expect(rawCommand(alice, 'SET', 'b:1', 'x')).rejects.toThrow(/NOPERM/)
  })

  test('passes configuration and arguments on', async () => {
    await using redis = await startRedis({ config: { maxclients: 77 }, args: ['--hz', '17'] })
    expect(await redis.command('CONFIG', 'GET', 'maxclients')).toEqual(['maxclients', '77'])
    expect(await redis.command('CONFIG', 'GET', 'hz')).toEqual(['hz', '17'])
  })

  test('speaks TLS with a certificate that its own authority vouches for', async () => {
    await using redis = await startRedis({ tls: true })
    const { tls } = redis
    if (!tls) throw new Error('no TLS')
    for (const host of ['127.0.0.1', 'localhost']) {
      const options = { port: tls.port, host, ca: tls.ca, family: 4 }
      const socket = connect(options)
      const reply = await new Promise<string>((resolve, reject) => {
        socket.once('error', reject)
        socket.once('data', (bytes) => resolve(bytes.toString()))
        socket.write('PING\r\n')
      })
      expect(reply).toBe('+PONG\r\n')
      expect(socket.authorized).toBe(true)
      socket.destroy()
    }
  })

  test('a stranger’s authority does not vouch for the certificate', async () => {
    await using redis = await startRedis({ tls: true })
    const socket = connect({ port: redis.tls?.port ?? 0, host: '127.0.0.1', ca: tlsCertificates().ca })
    const error = await new Promise<Error>((resolve) => socket.once('error', resolve))
    expect(error.message).toMatch(/signature|self-signed|unable to/i)
  })

  test('says what the server said when it cannot start, and leaves nothing', async () => {
    const before = foldersLeft()
    await expect(startRedis({ config: { 'no-such-setting': 1 } })).rejects.toThrow(/no-such-setting/)
    expect(foldersLeft().filter((name) => !before.includes(name))).toEqual([])
    expect(runningServers()).toEqual([])
  })

  test('a missing binary fails with its name', async () => {
    await expect(startRedis({ binary: '/no/such/redis' })).rejects.toThrow(/\/no\/such\/redis/)
  })
})

describe('findRedisServer', () => {
  test('REDIS_SERVER_BIN decides alone', () => {
    expect(findRedisServer({ REDIS_SERVER_BIN: process.execPath, PATH: process.env.PATH })).toBe(process.execPath)
    expect(findRedisServer({ REDIS_SERVER_BIN: 'none', PATH: process.env.PATH })).toBeUndefined()
    expect(() => findRedisServer({ REDIS_SERVER_BIN: '/no/such/file' })).toThrow(/\/no\/such\/file/)
  })
})
