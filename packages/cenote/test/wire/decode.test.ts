import { describe, expect, it } from 'vitest'
import { ReplyError } from '../../src/errors.js'
import { decodeChunks, decodeText } from './support.js'

describe('each RESP type becomes the value that callers expect', () => {
  it.each([
    ['+OK\r\n', 'OK'],
    ['+\r\n', ''],
    ['+Oslo\r\n', 'Oslo'],
    ['$5\r\nhello\r\n', 'hello'],
    ['$0\r\n\r\n', ''],
    ['$-1\r\n', null],
    ['*-1\r\n', null],
    ['_\r\n', null],
    [':42\r\n', 42],
    [':-7\r\n', -7],
    [':0\r\n', 0],
    [':9007199254740991\r\n', 9007199254740991],
    ['*0\r\n', []],
    ['*2\r\n$1\r\na\r\n:1\r\n', ['a', 1]],
    ['*1\r\n*1\r\n*1\r\n$-1\r\n', [[[null]]]],
    ['~2\r\n+a\r\n+b\r\n', ['a', 'b']],
    ['%2\r\n+a\r\n:1\r\n+b\r\n*0\r\n', ['a', 1, 'b', []]],
    [',2.5\r\n', '2.5'],
    [',inf\r\n', 'inf'],
    ['#t\r\n', 1],
    ['#f\r\n', 0],
    ['(12345678901234567890123\r\n', '12345678901234567890123'],
    ['=8\r\ntxt:text\r\n', 'text'],
    ['$4\r\n\r\n\r\n\r\n', '\r\n\r\n'],
  ])('%j', (wire, value) => {
    expect(decodeText(wire).replies).toEqual([value])
  })

  it.each([
    ['%2\r\n+a\r\n:1\r\n+b\r\n%1\r\n+c\r\n#t\r\n', { a: 1, b: { c: true } }],
    [',2.5\r\n', 2.5],
    [',-inf\r\n', Number.NEGATIVE_INFINITY],
    ['#f\r\n', false],
  ])('%j with mapping resp3', (wire, value) => {
    expect(decodeText(wire, { mapping: 'resp3' }).replies).toEqual([value])
  })

  it('keeps UTF-8 text exact, also next to ASCII in the same chunk', () => {
    const text = 'žluťoučký kůň 🐎'
    const wire = `$${Buffer.byteLength(text)}\r\n${text}\r\n+ascii\r\n`
    expect(decodeText(wire).replies).toEqual([text, 'ascii'])
  })

  it('rounds integers beyond 2^53 once instead of drifting digit by digit', () => {
    expect(decodeText(':9223372036854775807\r\n').replies).toEqual([Number('9223372036854775807')])
    expect(decodeText(':-9007199254740993\r\n').replies).toEqual([Number('-9007199254740993')])
  })

  it('gives integers as exact text with stringNumbers', () => {
    expect(decodeText(':9223372036854775807\r\n', { stringNumbers: true }).replies).toEqual(['9223372036854775807'])
  })

  it('gives negative zero as zero', () => {
    expect(Object.is(decodeText(':-0\r\n').replies[0], 0)).toBe(true)
  })

  it('gives errors as values, nested ones too, and stays in step', () => {
    const { replies } = decodeText('-ERR no\r\n*2\r\n-WRONGTYPE bad\r\n:1\r\n!9\r\nSYNTAX no\r\n+next\r\n')
    expect(replies[0]).toBeInstanceOf(ReplyError)
    expect((replies[0] as ReplyError).kind).toBe('ERR')
    expect((replies[1] as unknown[])[0]).toMatchObject({ message: 'WRONGTYPE bad', name: 'ReplyError' })
    expect(replies[2]).toMatchObject({ message: 'SYNTAX no' })
    expect(replies[3]).toBe('next')
  })

  it('skips attributes and gives the reply they belong to', () => {
    expect(decodeText('|1\r\n+ttl\r\n:3600\r\n$1\r\nv\r\n').replies).toEqual(['v'])
    expect(decodeText('*2\r\n:1\r\n|1\r\n+a\r\n*1\r\n+b\r\n:2\r\n').replies).toEqual([[1, 2]])
  })

  it('hands pushes over apart from replies, with Buffers, between replies', () => {
    const { replies, pushes } = decodeText('+a\r\n>3\r\n$7\r\nmessage\r\n+ch\r\n$2\r\nhi\r\n+b\r\n')
    expect(replies).toEqual(['a', 'b'])
    expect(pushes).toEqual([[Buffer.from('message'), Buffer.from('ch'), Buffer.from('hi')]])
  })

  it('gives Buffers on request, at any depth, detached from the memory that was read into', () => {
    const { replies } = decodeText('*2\r\n$2\r\nab\r\n*1\r\n+c\r\n', undefined, true)
    expect(replies).toEqual([[Buffer.from('ab'), [Buffer.from('c')]]])
  })

  it('keeps a field called __proto__ as an own property', () => {
    const [map] = decodeText('%1\r\n$9\r\n__proto__\r\n+x\r\n', { mapping: 'resp3' }).replies
    expect(Object.getOwnPropertyNames(map)).toEqual(['__proto__'])
    expect(Object.getPrototypeOf(map)).toBe(Object.prototype)
  })
})

describe('large strings', () => {
  it('come together from many chunks, as text and as bytes', () => {
    const bytes = Buffer.alloc(3_000_000, 'ü')
    const wire = Buffer.concat([Buffer.from(`*2\r\n$${bytes.length}\r\n`), bytes, Buffer.from('\r\n:1\r\n')])
    const chunks: Buffer[] = []
    for (let at = 0; at < wire.length; at += 65_521) chunks.push(wire.subarray(at, at + 65_521))
    expect(decodeChunks(chunks).replies).toEqual([[bytes.toString(), 1]])
    const binary = decodeChunks(chunks, undefined, true).replies[0] as [Buffer, number]
    expect(binary[0].equals(bytes)).toBe(true)
  })
})
