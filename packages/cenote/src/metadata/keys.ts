import { FLAG } from './flags.js'
import { isToken, RULES } from './rules.js'
import { type CommandSpec, type KeySpec, NO_KEY, resolveSubcommand } from './spec.js'

/**
 * Indices of all keys among the arguments (the command's name not counted), found without asking the server. Empty for
 * an unknown command. Channels of SPUBLISH and SSUBSCRIBE are no keys.
 */
export function keyPositions(spec: CommandSpec, args: readonly unknown[]): number[] {
  const call = resolveSubcommand(spec, args)
  const rule = call.rule === '' ? undefined : RULES[call.rule]
  if (rule?.keys !== undefined) return rule.keys(args)
  const found: number[] = []
  for (const keySpec of call.keySpecs) {
    if (keySpec.access === 'N' || !findRange(keySpec, args)) continue
    for (let i = rangeFirst; i <= rangeLast; i += keySpec.step) found.push(i)
  }
  return found
}

/** The first key of a call, undefined when it has none. Allocates nothing for all but MIGRATE and containers. */
export function firstKey<T>(spec: CommandSpec, args: readonly T[]): T | undefined {
  const at = spec.firstKeyAt
  if (at >= 0) return args[at]
  if (at === NO_KEY) return undefined
  const call = resolveSubcommand(spec, args)
  const rule = call.rule === '' ? undefined : RULES[call.rule]
  if (rule?.keys !== undefined) return args[rule.keys(args)[0] ?? -1]
  for (const keySpec of call.keySpecs) {
    if (keySpec.access !== 'N' && findRange(keySpec, args) && rangeFirst <= rangeLast) return args[rangeFirst]
  }
  return undefined
}

/**
 * What decides the lane of a call, so that calls on the same thing keep their order: its first key, or the channel
 * it publishes to.
 */
export function routingKey<T>(spec: CommandSpec, args: readonly T[]): T | undefined {
  if ((spec.flags & FLAG.PUBSUB) !== 0 && spec.subcommands === undefined) return args[0]
  return firstKey(spec, args)
}

/**
 * What decides the server of a call on a cluster: its first key, or its shard channel. A command that nobody described
 * most likely begins with its key, as those of modules do.
 */
export function slotKey<T>(spec: CommandSpec, args: readonly T[]): T | undefined {
  const at = spec.firstKeyAt
  if (at >= 0) return args[at]
  if (!spec.known) return args[0]
  if (at === NO_KEY) return spec.keySpecs.length > 0 ? args[0] : undefined
  return firstKey(spec, args)
}

// The answer of findRange: two numbers on every call of the hot path are not worth an object.
let rangeFirst = 0
let rangeLast = 0

/** Follows the server's rules for key specifications; false when the call has no such keys or is malformed. */
function findRange(spec: KeySpec, args: readonly unknown[]): boolean {
  const length = args.length
  let place = spec.begin
  if (spec.keyword !== '') {
    place = findKeyword(spec, args)
    if (place < 0) return false
  }
  if (spec.countOffset >= 0) {
    const count = toCount(args[place + spec.countOffset])
    rangeFirst = place + spec.firstOffset
    rangeLast = rangeFirst + (count - 1) * spec.step
    return count > 0 && rangeLast < length
  }
  rangeFirst = place
  if (spec.last >= 0) rangeLast = place + spec.last
  else if (spec.fraction <= 1) rangeLast = length + spec.last
  else rangeLast = place + Math.trunc((length - place) / spec.fraction) + spec.last
  return rangeFirst < length && rangeLast < length
}

function findKeyword(spec: KeySpec, args: readonly unknown[]): number {
  const start = spec.begin < 0 ? args.length + spec.begin : spec.begin
  for (let i = start; i < args.length - 1; i++) if (isToken(args[i], spec.keyword)) return i + 1
  return -1
}

function toCount(arg: unknown): number {
  const count = typeof arg === 'number' ? arg : Number(String(arg))
  return Number.isInteger(count) ? count : 0
}
