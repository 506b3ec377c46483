import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { lookupCommand } from '../../src/metadata/lookup.js'
import { type CommandArg, CommandEncoder, encodeCommand } from '../../src/wire/encode.js'

/** What the encoder would put on the socket. */
function written(commands: readonly (readonly CommandArg[])[], names?: string[]): { bytes: Buffer; parts: Buffer[] } {
  const parts: Buffer[] = []
  const encoder = new CommandEncoder({
    writeText: (text, latin1) => parts.push(Buffer.from(text, latin1 ? 'latin1' : 'utf8')),
    writeBytes: (bytes) => parts.push(bytes),
  })
  for (const [i, args] of commands.entries()) {
    const { wireName, plainName } = lookupCommand(names?.[i] ?? 'set')
    encoder.add(wireName, args, plainName)
  }
  encoder.flush()
  return { bytes: Buffer.concat(parts), parts }
}

const expected = (commands: readonly (readonly CommandArg[])[], names?: string[]): Buffer =>
  Buffer.concat(commands.map((args, i) => encodeCommand([names?.[i] ?? 'set', ...args])))

describe('CommandEncoder', () => {
  it('joins commands of plain text into one write', () => {
    const commands = [
      ['a', '1'],
      ['b', '2'],
      ['c', '3'],
    ]
    const { bytes, parts } = written(commands)
    expect(bytes.toString()).toBe(expected(commands).toString())
    expect(parts).toHaveLength(1)
  })

  it('counts bytes, not characters', () => {
    expect(written([['k', 'ü🐎']]).bytes.toString()).toContain('$6\r\nü🐎\r\n')
  })

  it('sends raw bytes unharmed between text of any kind', () => {
    const bytes = Buffer.from([0, 255, 13, 10, 200])
    const commands: CommandArg[][] = [
      ['ü', bytes],
      [bytes, 'ascii'],
      ['ü', 'ß'],
      [bytes, bytes],
    ]
    expect(written(commands).bytes.equals(expected(commands))).toBe(true)
  })

  it('hands large Buffers to the socket without copying them', () => {
    const large = Buffer.alloc(100_000, 1)
    const { bytes, parts } = written([
      ['k', large],
      ['l', 'x'],
    ])
    expect(parts).toContain(large)
    expect(
      bytes.equals(
        expected([
          ['k', large],
          ['l', 'x'],
        ]),
      ),
    ).toBe(true)
  })

  it('writes an empty Buffer and an empty text as empty strings', () => {
    expect(written([[Buffer.alloc(0), '']]).bytes.equals(expected([['', '']]))).toBe(true)
  })

  it('equals the simple encoding for any mix of names, text and Buffers', () => {
    const arg = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 40 }),
      fc.string({ maxLength: 40 }),
      fc.uint8Array({ maxLength: 6_000 }).map((bytes) => Buffer.from(bytes)),
    )
    const name = fc.oneof(
      fc.constant('set'),
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).map((text) => text.toLowerCase()),
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.array(arg, { maxLength: 5 })), { maxLength: 6 }), (calls) => {
        const names = calls.map(([one]) => one)
        const commands = calls.map(([, args]) => args)
        expect(written(commands, names).bytes.equals(expected(commands, names))).toBe(true)
      }),
      { numRuns: 500 },
    )
  })
})
