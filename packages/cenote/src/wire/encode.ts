import type { SlicingBuffer } from './slicing-buffer.js'

/** What a command argument may be once flattened: text is sent as UTF-8, a Buffer byte for byte. */
export type CommandArg = string | Buffer

/** Receives encoded bytes. `latin1` says that each character of the text is one byte. */
export interface ByteSink {
  writeText(text: string, latin1: boolean): void
  writeBytes(bytes: Buffer): void
}

const TABLE_SIZE = 1024
const arrayHeaders = Array.from({ length: 64 }, (_, n) => `*${n}\r\n`)
const bulkHeaders = Array.from({ length: TABLE_SIZE }, (_, n) => `$${n}\r\n`)

const arrayHeader = (n: number): string => (n < arrayHeaders.length ? arrayHeaders[n]! : `*${n}\r\n`)
const bulkHeader = (n: number): string => (n < TABLE_SIZE ? bulkHeaders[n]! : `$${n}\r\n`)

/** Buffers from this size on go to the socket as they are; smaller ones are cheaper inside the batch text. */
const SEPARATE_BYTES = 4096

/** How the batch text must be transcoded: ASCII fits both, raw bytes need latin1, other text needs UTF-8. */
const ASCII = 0
const LATIN1 = 1
const UTF8 = 2

/**
 * Joins commands into as few writes as possible. Text grows by concatenation, which V8 keeps as a rope and
 * flattens once when the socket takes it; that beats filling a byte buffer argument by argument.
 */
export class CommandEncoder {
  private text = ''
  private mode = ASCII

  constructor(private readonly sink: ByteSink) {}

  /** Characters waiting in the batch; a close lower bound of its bytes. */
  get length(): number {
    return this.text.length
  }

  /**
   * @param wireName the command's name as an encoded bulk string, `$3\r\nget\r\n`
   * @param plainName the name is ASCII, as that of every command of every server is
   */
  add(wireName: string, args: readonly CommandArg[], plainName = true): void {
    const count = args.length
    let text = this.text
    if (!plainName) text = this.toUtf8(text)
    text += arrayHeader(count + 1) + wireName
    for (let i = 0; i < count; i++) {
      const arg = args[i]!
      if (typeof arg === 'string') {
        const bytes = Buffer.byteLength(arg)
        if (bytes !== arg.length) text = this.toUtf8(text)
        text += `${bulkHeader(bytes) + arg}\r\n`
      } else {
        text = this.addBytes(text, arg as SlicingBuffer)
      }
    }
    this.text = text
  }

  /** What follows the text is not of single bytes; returns what of the text is still to be written. */
  private toUtf8(text: string): string {
    const begun = this.mode === LATIN1
    this.mode = UTF8
    if (!begun) return text
    this.sink.writeText(text, true)
    return ''
  }

  private addBytes(before: string, bytes: SlicingBuffer): string {
    const text = before + bulkHeader(bytes.length)
    if (bytes.length >= SEPARATE_BYTES) {
      this.sink.writeText(text, this.mode !== UTF8)
      this.sink.writeBytes(bytes)
      this.mode = ASCII
      return '\r\n'
    }
    if (this.mode === UTF8) {
      this.sink.writeText(text, false)
      this.mode = LATIN1
      return `${bytes.latin1Slice()}\r\n`
    }
    this.mode = LATIN1
    return `${text + bytes.latin1Slice()}\r\n`
  }

  flush(): void {
    if (this.text.length === 0) return
    const text = this.text
    const latin1 = this.mode !== UTF8
    this.text = ''
    this.mode = ASCII
    this.sink.writeText(text, latin1)
  }
}

/** One command as bytes, for handshakes and tests; the hot path goes through {@link CommandEncoder}. */
export function encodeCommand(args: readonly CommandArg[]): Buffer {
  const parts: Buffer[] = [Buffer.from(arrayHeader(args.length))]
  for (const arg of args) {
    const bytes = typeof arg === 'string' ? Buffer.from(arg) : arg
    parts.push(Buffer.from(bulkHeader(bytes.length)), bytes, CRLF)
  }
  return Buffer.concat(parts)
}
const CRLF = Buffer.from('\r\n')
