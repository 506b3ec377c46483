/** `latin1` is the cheapest and right for ASCII alone; `utf8` is right for all text; `bytes` leaves text as Buffers. */
export type FloorText = 'latin1' | 'utf8' | 'bytes'

export type FloorReply = string | number | null | Error | Buffer | FloorReply[]

type SlicingBuffer = Buffer & {
  latin1Slice(start?: number, end?: number): string
  utf8Slice(start?: number, end?: number): string
}

/** Turns what a socket reads into replies. Trusts the server blindly; what is incomplete is parsed again from its start. */
export interface FloorDecoder {
  /** @param chunk valid only during the call */
  write(chunk: Buffer): void
}

const INCOMPLETE = Symbol('incomplete')
const CR = 13

/** One string per chunk, replies cut out of it: no call into C++ per reply. Bytes are characters, so ASCII only. */
export class Latin1Decoder implements FloorDecoder {
  private text = ''
  private at = 0
  private parts: string[] = []
  private gathered = 0
  /** Characters without which parsing again is in vain. */
  private needed = 0

  constructor(private readonly deliver: (reply: FloorReply) => void) {}

  write(chunk: Buffer): void {
    const piece = (chunk as SlicingBuffer).latin1Slice()
    if (this.gathered > 0) {
      this.parts.push(piece)
      this.gathered += piece.length
      if (this.gathered < this.needed) return
      this.text = this.parts.join('')
      this.parts = []
      this.gathered = 0
    } else {
      this.text = piece
    }
    this.at = 0
    const { text } = this
    while (this.at < text.length) {
      const start = this.at
      this.needed = 0
      const reply = this.next()
      if (reply === INCOMPLETE) {
        this.needed = Math.max(0, this.needed - start)
        this.parts.push(text.substring(start))
        this.gathered = text.length - start
        return
      }
      this.deliver(reply)
    }
  }

  private next(): FloorReply | typeof INCOMPLETE {
    const { text } = this
    const from = this.at + 1
    const end = text.indexOf('\r\n', from)
    if (end < 0) return INCOMPLETE
    const type = text.charCodeAt(from - 1)
    this.at = end + 2
    if (type === 43) return text.substring(from, end)
    if (type === 45) return new Error(text.substring(from, end))
    if (text.charCodeAt(from) === 45) return type === 58 ? Number(text.substring(from, end)) : null
    let n = 0
    for (let i = from; i < end; i++) n = n * 10 + text.charCodeAt(i) - 48
    if (type === 58) return n
    if (type === 36) {
      const stop = end + 2 + n
      if (stop + 2 > text.length) {
        this.needed = stop + 2
        return INCOMPLETE
      }
      this.at = stop + 2
      return text.substring(end + 2, stop)
    }
    return this.items(n)
  }

  private items(count: number): FloorReply[] | typeof INCOMPLETE {
    const items: FloorReply[] = new Array(count)
    for (let i = 0; i < count; i++) {
      const item = this.next()
      if (item === INCOMPLETE) return INCOMPLETE
      items[i] = item
    }
    return items
  }
}

/** Replies cut out of the bytes: for text beyond ASCII, and for Buffers. */
export class BytesDecoder implements FloorDecoder {
  private bytes: SlicingBuffer = Buffer.alloc(0) as SlicingBuffer
  private at = 0
  private parts: Buffer[] = []
  private gathered = 0
  private needed = 0

  constructor(
    private readonly deliver: (reply: FloorReply) => void,
    private readonly asText: boolean,
  ) {}

  write(chunk: Buffer): void {
    if (this.gathered > 0) {
      this.parts.push(Buffer.from(chunk))
      this.gathered += chunk.length
      if (this.gathered < this.needed) return
      this.bytes = Buffer.concat(this.parts) as SlicingBuffer
      this.parts = []
      this.gathered = 0
    } else {
      this.bytes = chunk as SlicingBuffer
    }
    this.at = 0
    const { bytes } = this
    while (this.at < bytes.length) {
      const start = this.at
      this.needed = 0
      const reply = this.next()
      if (reply === INCOMPLETE) {
        this.needed = Math.max(0, this.needed - start)
        this.parts.push(Buffer.from(bytes.subarray(start)))
        this.gathered = bytes.length - start
        return
      }
      this.deliver(reply)
    }
  }

  private next(): FloorReply | typeof INCOMPLETE {
    const { bytes } = this
    const from = this.at + 1
    const type = bytes[from - 1]
    let end = from
    while (end < bytes.length && bytes[end] !== CR) end++
    if (end + 2 > bytes.length) return INCOMPLETE
    this.at = end + 2
    if (type === 43) return bytes.latin1Slice(from, end)
    if (type === 45) return new Error(bytes.latin1Slice(from, end))
    if (bytes[from] === 45) return type === 58 ? Number(bytes.latin1Slice(from, end)) : null
    let n = 0
    for (let i = from; i < end; i++) n = n * 10 + bytes[i]! - 48
    if (type === 58) return n
    if (type === 36) {
      const stop = end + 2 + n
      if (stop + 2 > bytes.length) {
        this.needed = stop + 2
        return INCOMPLETE
      }
      this.at = stop + 2
      return this.asText ? bytes.utf8Slice(end + 2, stop) : Buffer.from(bytes.subarray(end + 2, stop))
    }
    const items: FloorReply[] = new Array(n)
    for (let i = 0; i < n; i++) {
      const item = this.next()
      if (item === INCOMPLETE) return INCOMPLETE
      items[i] = item
    }
    return items
  }
}
