import type { Transform } from '../connection/command.js'
import { toObject } from '../wire/pairs.js'
import { type ArgumentInput, toArg } from './args.js'

/** Key-value pairs from an object or a Map, flattened in place of it. */
function spread(pairs: unknown): unknown[] | undefined {
  if (pairs instanceof Map) return [...pairs].flat()
  if (typeof pairs === 'object' && pairs !== null && !Array.isArray(pairs) && !Buffer.isBuffer(pairs)) {
    return Object.entries(pairs).flat()
  }
  return undefined
}

/** MSET and MSETNX take an object or a Map; HSET and HMSET take one after the key. */
const pairsAt = new Map([
  ['mset', 0],
  ['msetnx', 0],
  ['hset', 1],
  ['hmset', 1],
])

/** Rewrites the arguments of commands that accept objects; other calls come back untouched. */
export function transformArguments(name: string, args: ArgumentInput[]): ArgumentInput[] {
  const at = pairsAt.get(name)
  const callback = typeof args[args.length - 1] === 'function' ? args.slice(-1) : []
  if (at === undefined || args.length !== at + 1 + callback.length) return args
  const pairs = spread(args[at])
  return pairs === undefined ? args : [...args.slice(0, at), ...pairs.map(toArg), ...callback]
}

const isPairList = (value: unknown): value is unknown[][] => Array.isArray(value) && Array.isArray(value[0])

const hash: Transform = (value) => (Array.isArray(value) ? toObject(value) : value)

/** RESP3 nests `[[member, score], …]`; RESP2 and the callers of ioredis know `[member, score, …]`. */
const flattenPairs: Transform = (value) => (isPairList(value) ? value.flat() : value)

/** RESP3 sends a map `stream → entries`, decoded flat; RESP2 sends pairs. */
const streams: Transform = (value) => {
  if (!Array.isArray(value) || Array.isArray(value[0])) return value
  const pairs: unknown[] = []
  for (let i = 0; i + 1 < value.length; i += 2) pairs.push([value[i], value[i + 1]])
  return pairs
}

const replies: Readonly<Record<string, Transform>> = {
  hgetall: hash,
  zrange: flattenPairs,
  zrangebyscore: flattenPairs,
  zrevrange: flattenPairs,
  zrevrangebyscore: flattenPairs,
  zpopmin: flattenPairs,
  zpopmax: flattenPairs,
  zdiff: flattenPairs,
  zinter: flattenPairs,
  zunion: flattenPairs,
  zrandmember: flattenPairs,
  hrandfield: flattenPairs,
  xread: streams,
  xreadgroup: streams,
}

/** What a typed method does to its reply; keyed by the exact lower-case name, so `call('HGETALL')` stays raw. */
export function replyTransform(name: string, mapping: 'legacy' | 'resp3' = 'legacy'): Transform | undefined {
  if (mapping === 'resp3') return undefined
  return Object.hasOwn(replies, name) ? replies[name] : undefined
}
