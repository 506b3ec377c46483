/** Slots of a cluster, as its specification has them. */
export const SLOTS = 16_384

/** CRC-16/XMODEM, the one that the specification of Redis Cluster names: polynomial 0x1021, nothing reflected. */
const CRC = new Uint16Array(256)
for (let byte = 0; byte < 256; byte++) {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) !== 0 ? (crc << 1) ^ 0x1021 : crc << 1
  CRC[byte] = crc
}

const OPEN = 123
const CLOSE = 125

/** The slot of a key: that of its first `{tag}` when it has one that is not empty, else of all of it. */
export function slotOf(key: string | Uint8Array): number {
  return typeof key === 'string' ? slotOfText(key) : slotOfBytes(key)
}

function slotOfText(key: string): number {
  let from = 0
  let to = key.length
  const open = key.indexOf('{')
  if (open >= 0) {
    const close = key.indexOf('}', open + 1)
    if (close > open + 1) {
      from = open + 1
      to = close
    }
  }
  let crc = 0
  for (let i = from; i < to; i++) {
    const code = key.charCodeAt(i)
    if (code > 127) return slotOfBytes(Buffer.from(key))
    crc = ((crc << 8) & 0xffff) ^ CRC[(crc >> 8) ^ code]!
  }
  return crc & (SLOTS - 1)
}

function slotOfBytes(key: Uint8Array): number {
  let from = 0
  let to = key.length
  const open = key.indexOf(OPEN)
  if (open >= 0) {
    const close = key.indexOf(CLOSE, open + 1)
    if (close > open + 1) {
      from = open + 1
      to = close
    }
  }
  let crc = 0
  for (let i = from; i < to; i++) crc = ((crc << 8) & 0xffff) ^ CRC[(crc >> 8) ^ key[i]!]!
  return crc & (SLOTS - 1)
}
