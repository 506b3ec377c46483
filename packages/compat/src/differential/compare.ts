import { inspect, isDeepStrictEqual } from 'node:util'
import type { Redis } from 'ioredis'

/** An error as its reader sees it. */
export interface PlainError {
  readonly error: string
  readonly message: string
  readonly command?: { readonly name: string; readonly args: readonly unknown[] }
  readonly previousErrors?: readonly unknown[]
}

/**
 * Replies with errors made comparable; everything else stays what it is. In `error.command` the pool has lower-case
 * names and text, ioredis the name as it was given to `call` and Buffers; docs/from-ioredis.md says so.
 */
export function plain(value: unknown): unknown {
  if (value instanceof Error) return plainError(value)
  return Array.isArray(value) ? value.map(plain) : value
}

function plainError(error: Error & { command?: PlainError['command']; previousErrors?: Error[] }): PlainError {
  return {
    error: error.name,
    message: error.message,
    ...(error.command === undefined
      ? {}
      : { command: { name: error.command.name.toLowerCase(), args: error.command.args.map(String) } }),
    ...(error.previousErrors === undefined ? {} : { previousErrors: error.previousErrors.map(plain) }),
  }
}

/** Replies whose order is that of a hash table, which may be in the middle of growing. */
const UNORDERED = new Set([
  'keys',
  'scan',
  'sscan',
  'hscan',
  'zscan',
  'smembers',
  'sunion',
  'sdiff',
  'sinter',
  'hgetall',
  'hkeys',
  'hvals',
  'sort',
  'sort_ro',
])
/** Replies with a time in them. */
const TIMED = new Set(['ttl', 'pttl', 'expiretime', 'pexpiretime', 'xpending', 'xinfo', 'xclaim', 'xautoclaim', 'dump'])

export function sameReply(command: string, one: unknown, other: unknown): boolean {
  if (isDeepStrictEqual(one, other)) return true
  if (UNORDERED.has(command)) return isDeepStrictEqual(sorted(one), sorted(other))
  return TIMED.has(command) && near(one, other)
}

function sorted(value: unknown): unknown {
  if (!Array.isArray(value)) return value
  return value.map(sorted).sort((a, b) => (inspect(a) < inspect(b) ? -1 : 1))
}

function near(one: unknown, other: unknown): boolean {
  if (Array.isArray(one) && Array.isArray(other))
    return one.length === other.length && one.every((item, i) => near(item, other[i]))
  if (typeof one === 'number' && typeof other === 'number') return Math.abs(one - other) < 60_000
  return isDeepStrictEqual(one, other)
}

/** What a database holds: type, remaining time in minutes and contents of every key. */
export async function contents(redis: Redis): Promise<Record<string, unknown>> {
  const keys = (await redis.keysBuffer('*')).sort(Buffer.compare)
  const held: Record<string, unknown> = {}
  for (const key of keys) {
    const [type, ttl, dump] = await Promise.all([redis.type(key), redis.pttl(key), redis.dumpBuffer(key)])
    // A set kept as a hash table has no order of its own.
    const content =
      type === 'set'
        ? (await redis.smembersBuffer(key)).sort(Buffer.compare).map(String)
        : type === 'hash'
          ? sorted(Object.entries(await redis.hgetall(key)))
          : type === 'stream'
            ? await redis.xrange(key, '-', '+')
            : dump?.toString('latin1')
    held[key.toString('latin1')] = { type, ttl: ttl < 0 ? ttl : Math.round(ttl / 600_000), content }
  }
  return held
}

export function show(value: unknown): string {
  return inspect(value, { depth: 8, breakLength: 160, compact: 4, maxStringLength: 300 })
}
