import { FLAG } from './flags.js'
import { isToken, RULES } from './rules.js'
import { type CommandSpec, resolveSubcommand } from './spec.js'

/**
 * Whether this call may keep its connection waiting: BLPOP and its kin always, XREAD and XREADGROUP only with BLOCK,
 * WAIT and WAITAOF.
 */
export function isBlockingCall(spec: CommandSpec, args: readonly unknown[]): boolean {
  if ((spec.flags & FLAG.BLOCKING) === 0) return false
  return spec.blockToken === '' || blockTokenAt(spec, args) >= 0
}

/**
 * How long this call may block, in milliseconds; Infinity when it was told to wait for ever (0), undefined when it does
 * not block. A time the server will refuse (negative, not a number) counts as 0 ms.
 */
export function blockTimeoutMs(spec: CommandSpec, args: readonly unknown[]): number | undefined {
  if ((spec.flags & FLAG.BLOCKING) === 0) return undefined
  let at = spec.blockTimeAt
  if (spec.blockToken !== '') {
    const token = blockTokenAt(spec, args)
    if (token < 0) return undefined
    at = token + 1
  } else if (at < 0) at += args.length
  const arg = args[at]
  if (arg === undefined || arg === null || arg === '') return 0
  const time = typeof arg === 'number' ? arg : Number(String(arg))
  if (time === 0) return Number.POSITIVE_INFINITY
  return time > 0 ? time * spec.blockTimeUnit : 0
}

/**
 * Whether this call may be sent twice without changing anything: what the server flags readonly, what it flags neither
 * way but is the same done once or twice (PING, CONFIG GET, SCRIPT LOAD), and the calls that only read because of their arguments (SORT without
 * STORE, GETEX without an option). False for anything unknown.
 */
export function isReadOnlyCall(spec: CommandSpec, args: readonly unknown[]): boolean {
  if ((spec.flags & FLAG.ARGUMENT_DEPENDENT) === 0) return (spec.flags & (FLAG.READONLY | FLAG.SAFE)) !== 0
  const call = resolveSubcommand(spec, args)
  if ((call.flags & (FLAG.READONLY | FLAG.SAFE)) !== 0) return call !== spec || args.length === 0
  return call.rule !== '' && RULES[call.rule]?.readOnly?.(args) === true
}

/** Index of the argument that says how long this call may block; undefined when it does not. */
export function blockTimePlace(spec: CommandSpec, args: readonly unknown[]): number | undefined {
  if (!isBlockingCall(spec, args)) return undefined
  if (spec.blockToken !== '') return blockTokenAt(spec, args) + 1
  return spec.blockTimeAt < 0 ? spec.blockTimeAt + args.length : spec.blockTimeAt
}

/** Flags of the call: those of the subcommand where there is one. */
export function callFlags(spec: CommandSpec, args: readonly unknown[]): number {
  return resolveSubcommand(spec, args).flags
}

/** Whether this call leaves its connection changed for whoever uses it next (SELECT, WATCH, CLIENT REPLY, ...). */
export function changesConnection(spec: CommandSpec, args: readonly unknown[]): boolean {
  return (callFlags(spec, args) & FLAG.CONNECTION_STATE) !== 0
}

/** The option comes before the keys, whose names may be anything; its search starts where the keyword's own does. */
function blockTokenAt(spec: CommandSpec, args: readonly unknown[]): number {
  const keyword = spec.keySpecs[0]?.keyword ?? ''
  for (let i = spec.keySpecs[0]?.begin ?? 0; i < args.length; i++) {
    if (isToken(args[i], spec.blockToken)) return i
    if (keyword !== '' && isToken(args[i], keyword)) return -1
  }
  return -1
}

/**
 * Whether an error reply may be the work of a script, or of nobody knows whom, instead of the server's own. What such a
 * reply says proves nothing: a script that has written may return `LOADING`.
 */
export function mayForgeErrors(spec: CommandSpec): boolean {
  return !spec.known || (spec.group === 'scripting' && spec.subcommands === undefined)
}
