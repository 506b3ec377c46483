import { connect } from 'node:net'
import { leakCheckEachTest, startRedis } from '@cenote/test-support'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { encodeCommand } from '../../src/wire/encode.js'
import { decodeChunks } from './support.js'

leakCheckEachTest({ beforeEach, afterEach })

/** What a real server answers to commands of every reply shape, byte for byte. */
async function recordReplies(port: number, protocol: 2 | 3): Promise<Buffer> {
  const commands = [
    ['HELLO', String(protocol)],
    ['SET', 'text', 'žluť'],
    ['GET', 'text'],
    ['GET', 'missing'],
    ['INCR', 'n'],
    ['INCRBY', 'n', '-5000000000'],
    ['INCR', 'text'],
    ['HSET', 'h', 'a', '1', 'b', '2'],
    ['HGETALL', 'h'],
    ['HGETALL', 'missing'],
    ['ZADD', 'z', '1.5', 'a', 'inf', 'b'],
    ['ZRANGE', 'z', '0', '-1', 'WITHSCORES'],
    ['ZSCORE', 'z', 'a'],
    ['SADD', 's', 'x'],
    ['SMEMBERS', 's'],
    ['XADD', 'st', '1-1', 'f', 'v'],
    ['XRANGE', 'st', '-', '+'],
    ['XINFO', 'STREAM', 'st', 'FULL'],
    ['EVAL', 'return {1, {2, {3, "x"}}, false, {err="E no"}}', '0'],
    ['EVAL', 'redis.setresp(3); return {double=3.5}', '0'],
    ['CONFIG', 'GET', 'max*'],
    ['COMMAND', 'INFO', 'GET', 'NOSUCH'],
    ['MULTI'],
    ['GET', 'text'],
    ['HGETALL', 'h'],
    ['EXEC'],
    ['SUBSCRIBE', 'ch'],
    ['PUBLISH', 'ch', 'hello'],
    ...(protocol === 3
      ? [
          ['CLIENT', 'TRACKING', 'ON'],
          ['LOLWUT', 'VERSION', '5', '1'],
        ]
      : []),
    ['PING', 'end-of-recording'],
  ]
  const socket = connect(port, '127.0.0.1')
  const chunks: Buffer[] = []
  return new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.on('data', (chunk) => {
      chunks.push(chunk)
      const all = Buffer.concat(chunks)
      if (all.includes('end-of-recording\r\n')) {
        socket.destroy()
        socket.once('close', () => resolve(all))
      }
    })
    socket.write(Buffer.concat(commands.map((command) => encodeCommand(command))))
  })
}

describe('a recorded reply stream decodes the same however it is cut', () => {
  it.each([2, 3] as const)('RESP%d: in two at every byte, and byte by byte', async (protocol) => {
    await using redis = await startRedis()
    const stream = await recordReplies(redis.port, protocol)
    for (const binary of [false, true]) {
      for (const mapping of ['legacy', 'resp3'] as const) {
        const whole = decodeChunks([stream], { mapping }, binary)
        expect(whole.replies.length).toBeGreaterThan(20)
        const bytes = Array.from(stream, (_, i) => stream.subarray(i, i + 1))
        expect(decodeChunks(bytes, { mapping }, binary)).toEqual(whole)
        for (let cut = 1; cut < stream.length; cut++) {
          const parts = decodeChunks([stream.subarray(0, cut), stream.subarray(cut)], { mapping }, binary)
          if (parts.replies.length !== whole.replies.length) expect(parts, `cut at ${cut}`).toEqual(whole)
          if (cut % 17 === 0) expect(parts, `cut at ${cut}`).toEqual(whole)
        }
      }
    }
  })
})

/** A value as RESP3 bytes together with what the decoder must give for it. */
interface Sample {
  readonly wire: Buffer
  readonly value: unknown
}

const line = (text: string, value: unknown): Sample => ({ wire: Buffer.from(text), value })
const bulk = (text: string): Sample => {
  const bytes = Buffer.from(text)
  return { wire: Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')]), value: text }
}
const { reply } = fc.letrec<{ reply: Sample }>((tie) => ({
  reply: fc.oneof(
    { maxDepth: 5 },
    fc.string({ unit: 'binary', maxLength: 400 }).map((text) => bulk(Buffer.from(text).toString())),
    fc.maxSafeInteger().map((n) => line(`:${n}\r\n`, Object.is(n, -0) ? 0 : n)),
    fc.constantFrom(line('$-1\r\n', null), line('_\r\n', null), line('#t\r\n', 1), line('+OK\r\n', 'OK')),
    fc.array(tie('reply'), { maxLength: 6 }).map((items) => ({
      wire: Buffer.concat([Buffer.from(`*${items.length}\r\n`), ...items.map((item) => item.wire)]),
      value: items.map((item) => item.value),
    })),
    fc.array(fc.tuple(tie('reply'), tie('reply')), { maxLength: 4 }).map((pairs) => ({
      wire: Buffer.concat([Buffer.from(`%${pairs.length}\r\n`), ...pairs.flat().map((item) => item.wire)]),
      value: pairs.flat().map((item) => item.value),
    })),
  ),
}))

describe('any sequence of replies', () => {
  it('decodes to what was encoded, cut anywhere', () => {
    fc.assert(
      fc.property(
        fc.array(reply, { minLength: 1, maxLength: 8 }),
        fc.array(fc.nat(), { maxLength: 6 }),
        (samples, cuts) => {
          const stream = Buffer.concat(samples.map((sample) => sample.wire))
          const places = [...new Set(cuts.map((cut) => cut % stream.length))].sort((a, b) => a - b)
          const chunks = [0, ...places].map((from, i) => stream.subarray(from, places[i] ?? stream.length))
          expect(decodeChunks(chunks.filter((chunk) => chunk.length > 0)).replies).toEqual(
            samples.map((sample) => sample.value),
          )
        },
      ),
      { numRuns: 1_500 },
    )
  })
})
