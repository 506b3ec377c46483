import type { Hash } from './types.js'

/** Every item is what was expected, none is missing, none too many. */
export function sameList(replies: unknown, expected: readonly unknown[]): boolean {
  if (!Array.isArray(replies) || replies.length !== expected.length) return false
  for (let i = 0; i < expected.length; i++) if (replies[i] !== expected[i]) return false
  return true
}

/** The same for `[error, value]` entries, as ioredis gives them. */
export function sameEntries(entries: unknown, expected: readonly unknown[]): boolean {
  if (!Array.isArray(entries) || entries.length !== expected.length) return false
  for (let i = 0; i < expected.length; i++) {
    const entry = entries[i] as readonly unknown[] | undefined
    if (entry === undefined || entry[0] !== null || entry[1] !== expected[i]) return false
  }
  return true
}

export function sameHash(reply: unknown, { fields, values }: Hash): boolean {
  if (typeof reply !== 'object' || reply === null) return false
  const object = reply as Readonly<Record<string, unknown>>
  for (let i = 0; i < fields.length; i++) if (object[fields[i]!] !== values[i]) return false
  let count = 0
  for (const _ in object) count++
  return count === fields.length
}

/** What EXEC must answer to the five commands of `BenchClient.transaction`. */
export function transactionReplies(value: string, count: number): readonly unknown[] {
  return ['OK', value, count, String(count), value.length]
}
