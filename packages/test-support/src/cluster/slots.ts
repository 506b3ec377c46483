export const SLOT_COUNT = 16_384

/** CRC16-CCITT (XModem), bit by bit: slow and obvious on purpose, because tests trust it to judge the real one. */
function crc16(bytes: Buffer): number {
  let crc = 0
  for (const byte of bytes) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021
    crc &= 0xffff
  }
  return crc
}

/** The slot of a key, by its hash tag if it has one. */
export function keySlot(key: string): number {
  const open = key.indexOf('{')
  const close = open < 0 ? -1 : key.indexOf('}', open + 1)
  return crc16(Buffer.from(close > open + 1 ? key.slice(open + 1, close) : key)) % SLOT_COUNT
}

/** A hash tag whose slot `wanted` accepts; the n-th one found. */
export function tagFor(wanted: (slot: number) => boolean, n = 0): string {
  for (let i = 0, found = 0; i < 1_000_000; i++) {
    const tag = `t${i}`
    if (wanted(keySlot(tag)) && found++ === n) return tag
  }
  throw new Error('No hash tag leads to such a slot')
}

/** First and last slot, both included. */
export type SlotRange = readonly [first: number, last: number]

/** All slots in as many ranges as equal as can be. */
export function evenRanges(count: number): SlotRange[] {
  const start = (i: number) => Math.round((i * SLOT_COUNT) / count)
  return Array.from({ length: count }, (_, i) => [start(i), start(i + 1) - 1] as const)
}
