import { once } from 'node:events'
import { leakCheckEachTest, scriptedPeer, startRedis } from '@cenote/test-support'
import { createPool, OutcomeUnknownError } from 'cenote'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

leakCheckEachTest({ beforeEach, afterEach })

describe('replies find their callers', () => {
  it('by order, for many callers at once, also when replies differ in type and size', async () => {
    await using redis = await startRedis()
    await using pool = createPool({ port: redis.port })
    const callers = Array.from({ length: 500 }, async (_, caller) => {
      for (let round = 0; round < 20; round++) {
        const nonce = `${caller}:${round}`
        if (round % 4 === 0) expect(await pool.call('ECHO', nonce)).toBe(nonce)
        else if (round % 4 === 1) expect(await pool.callBuffer('ECHO', nonce)).toEqual(Buffer.from(nonce))
        else if (round % 4 === 2) expect(await pool.call('EVAL', 'return {ARGV[1]}', 0, nonce)).toEqual([nonce])
        else await expect(pool.call('EVAL', 'return {err=ARGV[1]}', 0, nonce)).rejects.toThrow(nonce)
      }
    })
    await Promise.all(callers)
    expect(pool.stats().commands).toMatchObject({ ok: 7500, rejected: 2500, inFlight: 0, queued: 0 })
  })

  it('when a reply is cut anywhere, byte by byte', async () => {
    await using peer = await scriptedPeer(async (connection) => {
      await connection.handshake()
      connection.write('+PONG\r\n')
      for (const expected of ['a', 'b']) {
        expect((await connection.readCommand())[1]).toBe(expected)
        await connection.writeInPieces(`$${300}\r\n${expected.repeat(300)}\r\n`)
      }
    })
    await using pool = createPool({ port: peer.port })
    expect(await Promise.all([pool.get('a'), pool.get('b')])).toEqual(['a'.repeat(300), 'b'.repeat(300)])
  })

  it('when callers before them gave up: the late reply is dropped, nobody gets a stranger’s', async () => {
    await using peer = await scriptedPeer(async (connection) => {
      await connection.handshake()
      connection.write('+PONG\r\n')
      await connection.readCommand()
      const second = await connection.readCommand()
      connection.write(`$4\r\nlate\r\n$${second[1]!.length}\r\n${second[1]}\r\n`)
    })
    await using pool = createPool({ port: peer.port, watchdogMs: 0 })
    await once(pool, 'ready')
    await expect(pool.with({ timeoutMs: 150 }).get('slow')).rejects.toMatchObject({
      code: 'CENOTE_COMMAND_TIMEOUT',
      outcome: 'unknown',
    })
    expect(await pool.get('mine')).toBe('mine')
  })
})

describe('a server that knows no HELLO', () => {
  it('is spoken to in RESP2, with AUTH, SELECT and CLIENT SETNAME', async () => {
    const seen: string[] = []
    await using peer = await scriptedPeer((connection) =>
      connection.serve(([name, ...args]) => {
        seen.push([name!.toUpperCase(), ...args].join(' '))
        if (/^hello$/i.test(name!)) return "-ERR unknown command 'HELLO'\r\n"
        return /^(ping|get)$/i.test(name!) ? '+PONG\r\n' : '+OK\r\n'
      }),
    )
    await using pool = createPool({ port: peer.port, password: 'pw', db: 2, connectionName: 'old' })
    expect(await pool.get('k')).toBe('PONG')
    expect(seen).toEqual(expect.arrayContaining(['AUTH pw', 'SELECT 2', 'CLIENT SETNAME old']))
    expect(seen.indexOf('AUTH pw')).toBeLessThan(seen.lastIndexOf('SELECT 2'))
  })
})

describe('a stream that stops making sense', () => {
  it.each([
    ['garbage', '!!!!\r\n'],
    ['a reply nobody asked for', '$1\r\nv\r\n+stray\r\n'],
  ])('is closed, never resynchronised: %s', async (_what, bytes) => {
    await using peer = await scriptedPeer(
      async (connection) => {
        await connection.handshake()
        connection.write('+PONG\r\n')
        await connection.readCommand()
        connection.write(bytes)
        await connection.closed
      },
      async (connection) => {
        await connection.handshake()
        connection.write('+PONG\r\n')
        await connection.serve(() => '+again\r\n')
      },
    )
    await using pool = createPool({ port: peer.port })
    const first = await pool.set('k', 'v').catch((error) => error)
    if (bytes.startsWith('!')) expect(first).toBeInstanceOf(OutcomeUnknownError)
    expect(await pool.get('k')).toBe('again')
    expect(pool.stats().closed['protocol-error']).toBe(1)
  })
})
