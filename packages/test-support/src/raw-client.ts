import { connect, type Socket } from 'node:net'

export type RawReply = string | number | boolean | null | RawReply[]

/** Where a server listens, and how to log in. `path` wins over `host` and `port`. */
export interface RawTarget {
  readonly host?: string
  readonly port?: number
  readonly path?: string
  readonly username?: string
  readonly password?: string
}

/** The server's `-ERR ...`, as an exception. */
export class RawReplyError extends Error {
  override readonly name = 'RawReplyError'
}

interface Parsed {
  readonly value: RawReply | RawReplyError
  readonly next: number
}

/** Parses from the start each time: slow and obvious on purpose, because tests trust it to judge the real decoder. */
function parse(buffer: Buffer, at: number): Parsed | undefined {
  const eol = buffer.indexOf('\r\n', at)
  if (eol < 0) return undefined
  const type = String.fromCharCode(buffer[at] as number)
  const text = buffer.toString('utf8', at + 1, eol)
  const next = eol + 2
  switch (type) {
    case '+':
    case ',':
    case '(':
      return { value: text, next }
    case '-':
      return { value: new RawReplyError(text), next }
    case ':':
      return { value: Number(text), next }
    case '#':
      return { value: text === 't', next }
    case '_':
      return { value: null, next }
    case '$':
    case '!':
    case '=': {
      const length = Number(text)
      if (length < 0) return { value: null, next }
      if (buffer.length < next + length + 2) return undefined
      const body = buffer.toString('utf8', next, next + length)
      const value = type === '!' ? new RawReplyError(body) : type === '=' ? body.slice(4) : body
      return { value, next: next + length + 2 }
    }
    case '*':
    case '~':
    case '>':
    case '%':
      return parseItems(buffer, next, Number(text) * (type === '%' ? 2 : 1))
    default:
      throw new Error(`The raw client cannot read a reply of type ${JSON.stringify(type)}`)
  }
}

function parseItems(buffer: Buffer, start: number, count: number): Parsed | undefined {
  if (count < 0) return { value: null, next: start }
  const items: RawReply[] = []
  let next = start
  for (let i = 0; i < count; i++) {
    const item = parse(buffer, next)
    if (item === undefined) return undefined
    items.push(item.value instanceof RawReplyError ? `-${item.value.message}` : item.value)
    next = item.next
  }
  return { value: items, next }
}

export function encodeCommand(args: readonly (string | number | Buffer)[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${args.length}\r\n`)]
  for (const arg of args) {
    const bytes = Buffer.isBuffer(arg) ? arg : Buffer.from(String(arg))
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'))
  }
  return Buffer.concat(parts)
}

/**
 * A connection that shares no code with cenote, to look at what the server really holds.
 * Errors inside arrays (EXEC) come as strings beginning with `-`; maps come as flat arrays.
 */
export class RawClient {
  readonly #socket: Socket
  readonly #waiting: { resolve: (value: RawReply) => void; reject: (error: Error) => void }[] = []
  #unread: Buffer = Buffer.alloc(0)
  #ended: Error | undefined
  /** Told of messages once something was subscribed. */
  onMessage: ((channel: string, message: string) => void) | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#onData(chunk))
    socket.on('error', (error) => this.#end(error))
    socket.on('close', () => this.#end(new Error('The server closed the raw connection')))
  }

  static async open(target: RawTarget): Promise<RawClient> {
    const socket = target.path
      ? connect({ path: target.path })
      : connect({ host: target.host ?? '127.0.0.1', port: target.port ?? 6379 })
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve()
      })
    })
    const client = new RawClient(socket)
    if (target.password !== undefined) {
      const name = target.username === undefined ? [] : [target.username]
      await client.send('AUTH', ...name, target.password).catch((error) => {
        client.close()
        throw error
      })
    }
    return client
  }

  /** @throws RawReplyError when the server says no */
  send(...args: (string | number | Buffer)[]): Promise<RawReply> {
    if (this.#ended) return Promise.reject(this.#ended)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#socket.write(encodeCommand(args))
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #onData(chunk: Buffer): void {
    this.#unread = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk])
    while (this.#unread.length > 0) {
      const parsed = parse(this.#unread, 0)
      if (parsed === undefined) return
      this.#unread = this.#unread.subarray(parsed.next)
      if (this.#isMessage(parsed.value)) continue
      const waiter = this.#waiting.shift()
      if (parsed.value instanceof RawReplyError) waiter?.reject(parsed.value)
      else waiter?.resolve(parsed.value)
    }
  }

  #isMessage(value: RawReply | RawReplyError): boolean {
    if (!Array.isArray(value) || !/^[ps]?message$/.test(String(value[0]))) return false
    this.onMessage?.(String(value.at(-2)), String(value.at(-1)))
    return true
  }

  #end(error: Error): void {
    this.#ended ??= error
    for (const waiter of this.#waiting.splice(0)) waiter.reject(this.#ended)
  }
}

/** One command on a connection of its own. */
export async function rawCommand(target: RawTarget, ...args: (string | number | Buffer)[]): Promise<RawReply> {
  const client = await RawClient.open(target)
  try {
    return await client.send(...args)
  } finally {
    client.close()
  }
}
