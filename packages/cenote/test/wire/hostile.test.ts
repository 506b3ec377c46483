import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ProtocolError } from '../../src/errors.js'
import { Decoder } from '../../src/wire/decode.js'
import { decodeText } from './support.js'

describe('hostile bytes end in a protocol error', () => {
  it.each([
    ['a reply of unknown type', '?\r\n'],
    ['an HTTP server', 'HTTP/1.1 400 Bad Request\r\n'],
    ['a negative length other than -1', '$-2\r\n'],
    ['a negative array length', '*-5\r\n'],
    ['a length that is no number', '$1x\r\n'],
    ['a length without digits', '$\r\nabc\r\n'],
    ['a length beyond any limit', '$99999999999999999999\r\n'],
    ['a string beyond the limit', '$536870913\r\n'],
    ['a string that does not end where it should', '$2\r\nabcd\r\n'],
    ['a line ended by CR alone', '+abc\rdef\r\n'],
    ['an integer that is no number', ':12a\r\n'],
    ['an empty integer', ':\r\n'],
    ['an integer beyond 64 bits', ':1234567890123456789012345'],
    ['a double that is no number', ',abc\r\n'],
    ['a boolean that is neither', '#x\r\n'],
    ['a big number that is no number', '(12,5\r\n'],
    ['a push inside a reply', '*1\r\n>1\r\n+a\r\n'],
    ['a streamed string, which Redis never sends', '$?\r\n'],
  ])('%s', (_what, wire) => {
    expect(() => decodeText(wire)).toThrow(ProtocolError)
  })

  it('endless nesting', () => {
    expect(() => decodeText('*1\r\n'.repeat(100_000))).toThrow(/nested deeper than 512/)
  })

  it('an endless line', () => {
    const decoder = new Decoder({ onReply: () => undefined, onPush: () => undefined })
    const chunk = Buffer.alloc(256 * 1024, 'x')
    expect(() => {
      decoder.write(Buffer.from('+'))
      for (let i = 0; i < 100; i++) decoder.write(chunk)
    }).toThrow(/line longer than 1 MiB/)
  })

  it('any garbage at all: an error or a wait for more, never another exception', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 8 }), (chunks) => {
        const decoder = new Decoder({ onReply: () => undefined, onPush: () => undefined })
        try {
          for (const chunk of chunks) decoder.write(Buffer.from(chunk))
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError)
        }
      }),
      { numRuns: 3_000 },
    )
  })
})

describe('headers alone reserve little', () => {
  it.each(['$536870912\r\n', '*4294967295\r\n', '%2000000000\r\n'])('%j', (header) => {
    const decoders: Decoder[] = []
    const before = process.memoryUsage()
    for (let i = 0; i < 50; i++) {
      const decoder = new Decoder({ onReply: () => undefined, onPush: () => undefined })
      decoder.write(Buffer.from(`${header}x`.slice(0, header.startsWith('$') ? undefined : -1)))
      decoders.push(decoder)
    }
    const after = process.memoryUsage()
    const grown = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers
    expect(decoders.every((decoder) => decoder.partial)).toBe(true)
    // One reservation of 1 MiB each, where the headers claim 25 GB and more.
    expect(grown).toBeLessThan(50 * 1.2 * 1024 * 1024 + 8 * 1024 * 1024)
  })
})
