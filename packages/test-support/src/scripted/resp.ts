/** `+text` instead of a bulk string. */
export class Simple {
  constructor(readonly text: string) {}
}

export const OK = new Simple('OK')

/** What a scripted server replies; an Error is `-message`, a Map is flat for RESP2. */
export type RespValue =
  | string
  | number
  | null
  | Buffer
  | Simple
  | Error
  | readonly RespValue[]
  | ReadonlyMap<string, RespValue>

export function encodeReply(value: RespValue, protocol: 2 | 3): Buffer {
  if (value === null) return Buffer.from(protocol === 3 ? '_\r\n' : '$-1\r\n')
  if (typeof value === 'number') return Buffer.from(`:${value}\r\n`)
  if (value instanceof Simple) return Buffer.from(`+${value.text}\r\n`)
  if (value instanceof Error) return Buffer.from(`-${value.message}\r\n`)
  if (typeof value === 'string' || Buffer.isBuffer(value)) {
    const bytes = Buffer.from(value as string)
    return Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')])
  }
  if (value instanceof Map) {
    const items = [...value].flat() as RespValue[]
    const head = protocol === 3 ? `%${value.size}\r\n` : `*${items.length}\r\n`
    return Buffer.concat([Buffer.from(head), ...items.map((item) => encodeReply(item, protocol))])
  }
  const items = value as readonly RespValue[]
  return Buffer.concat([Buffer.from(`*${items.length}\r\n`), ...items.map((item) => encodeReply(item, protocol))])
}

/** A message that nobody asked for. */
export function encodePush(items: readonly RespValue[], protocol: 2 | 3): Buffer {
  const bytes = encodeReply(items, protocol)
  if (protocol === 3) bytes[0] = '>'.charCodeAt(0)
  return bytes
}
