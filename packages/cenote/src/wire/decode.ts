import { isAscii } from 'node:buffer'
import { ProtocolError, ReplyError } from '../errors.js'
import { toObject } from './pairs.js'
import type { SlicingBuffer } from './slicing-buffer.js'

/** Receives what the decoder reads, in the order of the stream. */
export interface ReplySink {
  onReply(value: unknown): void
  /** A RESP3 out-of-band message; its text parts are always Buffers. */
  onPush(items: unknown[]): void
}

export interface DecoderOptions {
  /**
   * `legacy` (default) gives RESP2 shapes on either protocol: maps as flat arrays, doubles as text, booleans
   * as 1 and 0. `resp3` gives plain objects, numbers and booleans.
   */
  mapping?: 'legacy' | 'resp3'
  /** Integers as text, exact at any size. Default false: numbers, which round beyond 2^53. */
  stringNumbers?: boolean
  /** Longest bulk string accepted, bytes. Default 512 MiB, the server's own `proto-max-bulk-len`. */
  maxBulkBytes?: number
  /** Deepest nesting of aggregates accepted. Default 512. */
  maxDepth?: number
}

enum Kind {
  Array = 0,
  Map = 1,
  Push = 2,
  Attribute = 3,
}

interface Frame {
  kind: Kind
  total: number
  filled: number
  items: unknown[]
}

/** A simple string, error or number line longer than this is garbage, not RESP. */
const MAX_LINE_BYTES = 1 << 20
/** Array slots reserved on the word of a length header alone; the rest grows as elements arrive. */
const MAX_PREALLOCATED = 1024
/** Bytes reserved for a bulk string on the word of its header alone: a value of 1 MiB fits with its CR LF. */
const MAX_BULK_RESERVE = (1 << 20) + 4096

const CR = 13
const LF = 10
/** A length header whose end has not arrived. */
const UNFINISHED = -2
const INCOMPLETE = Symbol('incomplete')
const OPENED = Symbol('opened')

/**
 * Incremental decoder for RESP2 and RESP3. Each byte is looked at once: aggregates under construction live on
 * an explicit stack and a bulk string under way in its own buffer, so a reply cut into many chunks costs no
 * more than a whole one. Holds at most what has arrived plus one bounded reservation, whatever a header claims.
 */
export class Decoder {
  /** Text parts of the next top-level reply become Buffers. The owner of the in-flight queue keeps it current. */
  binary = false

  private readonly typed: boolean
  private readonly stringNumbers: boolean
  private readonly maxBulkBytes: number
  private readonly maxDepth: number

  private readonly stack: Frame[] = []
  private rest: Buffer | undefined
  private bulk: Buffer | undefined
  private bulkFilled = 0
  private bulkLength = 0
  private bulkType = 0

  private buffer = Buffer.alloc(0) as SlicingBuffer
  private position = 0
  private end = 0
  private ascii = false

  constructor(
    private readonly sink: ReplySink,
    options: DecoderOptions = {},
  ) {
    this.typed = options.mapping === 'resp3'
    this.stringNumbers = options.stringNumbers === true
    this.maxBulkBytes = options.maxBulkBytes ?? 512 * 1024 * 1024
    this.maxDepth = options.maxDepth ?? 512
  }

  /** True in the middle of a reply. */
  get partial(): boolean {
    return this.stack.length > 0 || this.bulk !== undefined || this.rest !== undefined
  }

  /**
   * Feeds received bytes; calls the sink for each complete reply. The chunk may be reused afterwards.
   * @throws ProtocolError when the bytes are not RESP; the decoder must not be used again.
   */
  write(chunk: Buffer): void {
    if (this.bulk !== undefined) {
      const used = this.fillBulk(chunk)
      if (this.bulk !== undefined) return
      chunk = chunk.subarray(used)
    }
    if (this.rest !== undefined) {
      chunk = Buffer.concat([this.rest, chunk])
      this.rest = undefined
    }
    this.buffer = chunk as SlicingBuffer
    this.position = 0
    this.end = chunk.length
    this.ascii = isAscii(chunk)
    while (this.position < this.end) {
      const start = this.position
      const value = this.next()
      if (value === INCOMPLETE) {
        // A bulk string under way has its own buffer; anything else is one unfinished line.
        if (this.bulk === undefined) this.keep(start)
        return
      }
      if (value !== OPENED) this.deliver(value)
    }
  }

  private keep(start: number): void {
    if (this.end - start > MAX_LINE_BYTES) throw new ProtocolError('The server sent a line longer than 1 MiB')
    this.rest = Buffer.from(this.buffer.subarray(start, this.end))
  }

  private next(): unknown {
    const type = this.buffer[this.position]!
    switch (type) {
      case 36: // $ bulk string
        return this.readBulk(type)
      case 43: // + simple string
        return this.readSimple()
      case 58: // : integer
        return this.readInteger()
      case 42: // * array
        return this.openAggregate(Kind.Array, 1)
      case 45: // - error
        return this.readError()
      case 95: // _ null
        return this.readLine() === undefined ? INCOMPLETE : null
      case 37: // % map
        return this.openAggregate(Kind.Map, 2)
      case 126: // ~ set
        return this.openAggregate(Kind.Array, 1)
      case 62: // > push
        if (this.stack.length > 0) throw new ProtocolError('The server sent a push message inside another reply')
        return this.openAggregate(Kind.Push, 1)
      case 44: // , double
        return this.readDouble()
      case 35: // # boolean
        return this.readBoolean()
      case 40: // ( big number
        return this.readBigNumber()
      case 61: // = verbatim string
      case 33: // ! bulk error
        return this.readBulk(type)
      case 124: // | attribute
        return this.openAggregate(Kind.Attribute, 2)
      default:
        throw new ProtocolError(
          `The server sent a reply of unknown type 0x${type.toString(16).padStart(2, '0')}; is this a Redis port?`,
        )
    }
  }

  /** The text after the type byte, or undefined when its end has not arrived. Moves on only when complete. */
  private readLine(): string | undefined {
    const from = this.position + 1
    const cr = this.buffer.indexOf(CR, from)
    if (cr < 0 || cr + 1 >= this.end) {
      if (this.end - from > MAX_LINE_BYTES) throw new ProtocolError('The server sent a line longer than 1 MiB')
      return undefined
    }
    if (this.buffer[cr + 1] !== LF) throw new ProtocolError('The server sent a line that does not end in CR LF')
    this.position = cr + 2
    return this.ascii ? this.buffer.latin1Slice(from, cr) : this.buffer.utf8Slice(from, cr)
  }

  /** A length header (`$12`, `*3`); UNFINISHED when its end has not arrived. `-1` is the RESP2 null. */
  private readLength(): number {
    const buffer = this.buffer
    const end = this.end
    let at = this.position + 1
    let n = 0
    if (at < end && buffer[at] === 45) {
      // Only -1 is meaningful; any other negative length is hostile.
      if (at + 3 >= end) return UNFINISHED
      if (buffer[at + 1] !== 49 || buffer[at + 2] !== CR || buffer[at + 3] !== LF) {
        throw new ProtocolError('The server sent a negative length other than -1')
      }
      this.position = at + 4
      return -1
    }
    const first = at
    for (; at < end; at++) {
      const byte = buffer[at]!
      if (byte >= 48 && byte <= 57) {
        n = n * 10 + (byte - 48)
        if (n > 0xffffffff) throw new ProtocolError('The server sent a length beyond 2^32')
      } else if (byte === CR && at > first) {
        if (at + 1 >= end) return UNFINISHED
        if (buffer[at + 1] !== LF) throw new ProtocolError('The server sent a length that does not end in CR LF')
        this.position = at + 2
        return n
      } else {
        throw new ProtocolError('The server sent a length that is not a number')
      }
    }
    return UNFINISHED
  }

  private readBulk(type: number): unknown {
    const start = this.position
    const length = this.readLength()
    if (length === UNFINISHED) return INCOMPLETE
    if (length < 0) return null
    if (length > this.maxBulkBytes) {
      throw new ProtocolError(`The server announced a string of ${length} bytes; the limit is ${this.maxBulkBytes}`)
    }
    const from = this.position
    const to = from + length
    if (to + 2 <= this.end) {
      if (this.buffer[to] !== CR || this.buffer[to + 1] !== LF) throw unterminated()
      this.position = to + 2
      return this.text(type, this.buffer, from, to)
    }
    if (length < 256) {
      // Cheaper to look at a short string again than to move it into a buffer of its own.
      this.position = start
      return INCOMPLETE
    }
    this.bulkType = type
    this.bulkLength = length + 2
    this.bulk = Buffer.allocUnsafe(Math.min(length + 2, Math.max(MAX_BULK_RESERVE, this.end - from)))
    this.bulkFilled = this.buffer.copy(this.bulk, 0, from, this.end)
    this.position = this.end
    return INCOMPLETE
  }

  /** Returns how much of the chunk belonged to the bulk string under way; delivers it when complete. */
  private fillBulk(chunk: Buffer): number {
    const used = Math.min(this.bulkLength - this.bulkFilled, chunk.length)
    let bulk = this.bulk!
    if (this.bulkFilled + used > bulk.length) {
      const grown = Buffer.allocUnsafe(Math.min(this.bulkLength, Math.max(bulk.length * 2, this.bulkFilled + used)))
      bulk.copy(grown, 0, 0, this.bulkFilled)
      this.bulk = bulk = grown
    }
    chunk.copy(bulk, this.bulkFilled, 0, used)
    this.bulkFilled += used
    if (this.bulkFilled < this.bulkLength) return used
    const length = this.bulkLength - 2
    if (bulk[length] !== CR || bulk[length + 1] !== LF) throw unterminated()
    this.bulk = undefined
    const bytes = bulk.subarray(0, length) as SlicingBuffer
    if (this.bulkType === 36 && this.wantsBytes()) {
      this.deliver(bytes)
    } else {
      this.ascii = isAscii(bytes)
      this.deliver(this.text(this.bulkType, bytes, 0, length))
    }
    return used
  }

  private wantsBytes(): boolean {
    return this.stack.length === 0 ? this.binary : this.binary || this.stack[0]!.kind === Kind.Push
  }

  private text(type: number, buffer: SlicingBuffer, from: number, to: number): unknown {
    if (type === 33) return new ReplyError(buffer.utf8Slice(from, to))
    // A verbatim string starts with its format and a colon: `txt:`.
    const start = type === 61 ? Math.min(from + 4, to) : from
    if (this.wantsBytes()) return Buffer.from(buffer.subarray(start, to))
    return this.ascii ? buffer.latin1Slice(start, to) : buffer.utf8Slice(start, to)
  }

  private readSimple(): unknown {
    const buffer = this.buffer
    const at = this.position
    if (
      buffer[at + 1] === 79 &&
      buffer[at + 2] === 75 &&
      buffer[at + 3] === CR &&
      at + 4 < this.end &&
      buffer[at + 4] === LF &&
      !this.binary
    ) {
      this.position = at + 5
      return 'OK'
    }
    const line = this.readLine()
    if (line === undefined) return INCOMPLETE
    return this.wantsBytes() ? Buffer.from(line) : line
  }

  private readInteger(): unknown {
    const buffer = this.buffer
    const end = this.end
    let at = this.position + 1
    const negative = buffer[at] === 45
    if (negative || buffer[at] === 43) at++
    const first = at
    let n = 0
    for (; at < end; at++) {
      const byte = buffer[at]!
      if (byte >= 48 && byte <= 57) n = n * 10 + (byte - 48)
      else break
    }
    if (at + 1 >= end) {
      if (at - first > 20) throw new ProtocolError('The server sent an integer beyond 64 bits')
      return INCOMPLETE
    }
    if (at === first || buffer[at] !== CR || buffer[at + 1] !== LF) {
      throw new ProtocolError('The server sent an integer that is not a number')
    }
    const from = this.position + 1
    this.position = at + 2
    if (this.stringNumbers) return buffer.latin1Slice(from, at)
    // Beyond 2^53 adding digit by digit drifts; Number() of the text rounds once.
    if (n > Number.MAX_SAFE_INTEGER) return Number(buffer.latin1Slice(from, at))
    return negative ? 0 - n : n
  }

  private readError(): unknown {
    const line = this.readLine()
    return line === undefined ? INCOMPLETE : new ReplyError(line)
  }

  private readDouble(): unknown {
    const line = this.readLine()
    if (line === undefined) return INCOMPLETE
    const value = line === 'inf' ? Number.POSITIVE_INFINITY : line === '-inf' ? Number.NEGATIVE_INFINITY : Number(line)
    if (Number.isNaN(value) && line !== 'nan' && line !== '-nan') {
      throw new ProtocolError('The server sent a double that is not a number')
    }
    if (this.typed && !this.stringNumbers) return value
    return this.wantsBytes() ? Buffer.from(line) : line
  }

  private readBoolean(): unknown {
    const line = this.readLine()
    if (line === undefined) return INCOMPLETE
    if (line !== 't' && line !== 'f') throw new ProtocolError('The server sent a boolean that is neither t nor f')
    return this.typed ? line === 't' : line === 't' ? 1 : 0
  }

  private readBigNumber(): unknown {
    const line = this.readLine()
    if (line === undefined) return INCOMPLETE
    if (!/^[+-]?\d+$/.test(line)) throw new ProtocolError('The server sent a big number that is not a number')
    return this.wantsBytes() ? Buffer.from(line) : line
  }

  private openAggregate(kind: Kind, perEntry: number): unknown {
    const length = this.readLength()
    if (length === UNFINISHED) return INCOMPLETE
    if (length < 0) return null
    if (length === 0) return this.finish(kind, [])
    if (this.stack.length >= this.maxDepth) {
      throw new ProtocolError(`The server sent aggregates nested deeper than ${this.maxDepth} levels`)
    }
    const count = length * perEntry
    this.stack.push({ kind, total: count, filled: 0, items: count <= MAX_PREALLOCATED ? new Array(count) : [] })
    return OPENED
  }

  private finish(kind: Kind, items: unknown[]): unknown {
    if (kind === Kind.Map && this.typed) return toObject(items)
    if (kind === Kind.Attribute) return OPENED
    if (kind === Kind.Push) {
      this.sink.onPush(items)
      return OPENED
    }
    return items
  }

  /** Puts a complete value where it belongs, closing every aggregate that it completes. */
  private deliver(value: unknown): void {
    const stack = this.stack
    while (stack.length > 0) {
      const frame = stack[stack.length - 1]!
      const items = frame.items
      items[frame.filled++] = value
      if (frame.filled < frame.total) return
      stack.pop()
      value = this.finish(frame.kind, items)
      if (value === OPENED) return
    }
    this.sink.onReply(value)
  }
}

function unterminated(): ProtocolError {
  return new ProtocolError('The server sent a string that does not end where its length says')
}
