import { FLAG, type FlagName } from '../src/metadata/flags.js'
import type { ArgumentFacts, CommandFacts } from './facts.js'
import { formatKeySpec } from './notation.js'

/** What no server tells: small lists, each with its reason (overlay.json). */
export interface Overlay {
  connectionState: { commands: string[] }
  safe: { commands: string[] }
  blocking: { commands: string[] }
  rules: { commands: Record<string, string> }
}

const FLAG_OF_SERVER: Record<string, FlagName | undefined> = {
  ...Object.fromEntries(
    (Object.keys(FLAG) as FlagName[]).map((name) => [name.toLowerCase(), name] as [string, FlagName]),
  ),
  movablekeys: 'MOVABLE_KEYS',
}

/** Flags that say nothing to a client. */
const IGNORED = new Set(['only_sentinel', 'sentinel', 'protected', 'touches_arbitrary_keys', 'internal'])

/**
 * The table as text: one line per command, a subcommand's line starts with a dot. Fields: name, arity, flags (base 36),
 * group, since, key specifications, place and unit of the block time, rule; `-` where there is none.
 */
export function tableLines(commands: CommandFacts[], overlay: Overlay): string[] {
  const unused = new Set([
    ...overlay.connectionState.commands,
    ...overlay.safe.commands,
    ...overlay.blocking.commands,
    ...Object.keys(overlay.rules.commands),
  ])
  const lines: string[] = []
  const line = (facts: CommandFacts, parent?: CommandFacts): string => {
    unused.delete(facts.name)
    const name = parent ? `.${facts.name.slice(parent.name.length + 1)}` : facts.name
    const flags = flagBits(facts, overlay)
    const keys = facts.keys.map(formatKeySpec).join(';') || '-'
    const block = flags & FLAG.BLOCKING ? blockTime(facts) : '-'
    const rule = overlay.rules.commands[facts.name] ?? '-'
    const group = facts.group.replaceAll(' ', '_')
    return [name, facts.arity, flags.toString(36), group, facts.since || '-', keys, block, rule].join(' ')
  }
  for (const facts of commands) {
    lines.push(line(facts))
    for (const sub of facts.subcommands) lines.push(line(sub, facts))
  }
  if (unused.size > 0) throw new Error(`overlay.json names unknown commands: ${[...unused].join(', ')}`)
  return lines
}

function flagBits(facts: CommandFacts, overlay: Overlay): number {
  let bits = 0
  for (const flag of facts.flags) {
    const name = FLAG_OF_SERVER[flag]
    if (name) bits |= FLAG[name]
    else if (!IGNORED.has(flag)) throw new Error(`${facts.name}: unknown flag ${flag}`)
  }
  if (facts.deprecatedSince !== undefined) bits |= FLAG.DEPRECATED
  if (/^[ps]?(un)?subscribe$/.test(facts.name)) bits |= FLAG.SUBSCRIBE | FLAG.CONNECTION_STATE
  if (overlay.connectionState.commands.includes(facts.name)) bits |= FLAG.CONNECTION_STATE
  if (overlay.blocking.commands.includes(facts.name)) bits |= FLAG.BLOCKING
  if (overlay.safe.commands.includes(facts.name) || facts.name.endsWith('|help')) bits |= FLAG.SAFE
  if (facts.subcommands.length > 0 || facts.name in overlay.rules.commands) bits |= FLAG.ARGUMENT_DEPENDENT
  return bits
}

/**
 * Where a blocking command carries its time, from its documented arguments: an index into the arguments (negative from
 * the end) or the keyword before it, then the unit (`s`, `m` for milliseconds). Redis documents seconds as a double
 * and milliseconds as an integer.
 */
function blockTime(facts: CommandFacts): string {
  const option = facts.args.find((arg) => arg.token === 'BLOCK')
  if (option) return `BLOCKm`
  const at = facts.args.findIndex((arg) => arg.name === 'timeout')
  const timeout = facts.args[at]
  if (!timeout) throw new Error(`${facts.name} blocks, but no argument is its timeout`)
  const unit = timeout.type === 'double' ? 's' : 'm'
  if (facts.args.slice(0, at).every(isSingle)) return `${at}${unit}`
  if (facts.args.slice(at + 1).every(isSingle)) return `${at - facts.args.length}${unit}`
  throw new Error(`${facts.name}: its timeout is at no fixed place`)
}

const isSingle = (arg: ArgumentFacts): boolean =>
  !arg.optional && !arg.multiple && (arg.type !== 'oneof' || arg.children.every((child) => child.type === 'pure-token'))

export function renderTable(lines: string[], header: string): string {
  return `${header}
/** One line per command: name, arity, flags, group, since, keys, block time, rule; see \`lookup.ts\`. */
export const COMMAND_TABLE = \`
${lines.join('\n')}
\`
`
}
