import { SLOTS, slotOf } from './slot.js'

/** First and last slot, both included. */
export type SlotRange = readonly [from: number, to: number]

/** How far a scan of a whole cluster has come. */
export interface ScanState {
  /** Which server is being walked through, as {@link serverMark} of its name. */
  readonly server: number
  /** Its own cursor. */
  readonly cursor: bigint
  /** What it had when its walk began: only what it still has at the end counts as seen. */
  readonly slots: readonly SlotRange[]
  /** Slots seen to the end. */
  readonly done: readonly SlotRange[]
}

/** Enough to notice that a slot is with another server by now. */
export const serverMark = (name: string): number => slotOf(`{${name}}`)

/**
 * The state as a cursor: digits, so that it passes for one of a single server, and self-contained, so that it survives
 * changes of the cluster, restarts of this process and a change of process. Its length grows with the pieces that the
 * slots are in.
 */
export function encodeCursor({ server, cursor, slots, done }: ScanState): string {
  const fields: [value: bigint, base: bigint][] = [
    [BigInt(server), BASE],
    [cursor, CURSOR_BASE],
  ]
  for (const ranges of [slots, done]) {
    fields.push([BigInt(ranges.length), BASE])
    for (const slot of ranges.flat()) fields.push([BigInt(slot), BASE])
  }
  // The last in comes first out; the one in front keeps the zeros behind it.
  return fields.reduceRight((text, [value, base]) => text * base + value, 1n).toString()
}

const BASE = BigInt(SLOTS)
const CURSOR_BASE = 1n << 64n
/** Longer than any real one: every second slot by itself, twice. */
const MAX_DIGITS = 150_000

/** @returns undefined when it is no cursor of {@link encodeCursor} */
export function decodeCursor(given: string): ScanState | undefined {
  if (!/^[1-9]\d*$/.test(given) || given.length > MAX_DIGITS) return undefined
  let text = BigInt(given)
  const pop = (base: bigint): bigint => {
    const value = text % base
    text /= base
    return value
  }
  const server = Number(pop(BASE))
  const cursor = pop(CURSOR_BASE)
  const [slots, done] = [0, 0].map(() =>
    Array.from({ length: Number(pop(BASE)) }, (): SlotRange => [Number(pop(BASE)), Number(pop(BASE))]),
  ) as [SlotRange[], SlotRange[]]
  return text === 1n ? { server, cursor, slots, done } : undefined
}

/** Sorted slots as ranges. */
export function toRanges(slots: Iterable<number>): SlotRange[] {
  const ranges: [number, number][] = []
  for (const slot of slots) {
    const last = ranges[ranges.length - 1]
    if (last !== undefined && last[1] === slot - 1) last[1] = slot
    else ranges.push([slot, slot])
  }
  return ranges
}

export function toSlots(ranges: readonly SlotRange[]): Set<number> {
  const slots = new Set<number>()
  for (const [from, to] of ranges) for (let slot = from; slot <= to; slot++) slots.add(slot)
  return slots
}
