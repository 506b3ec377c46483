import { isSpread, type Spread, spreadOf } from './spread.js'
import { COMMAND_TABLE } from './table.generated.js'

/** Where a command keeps some of its keys. Positions are indices into the arguments: the command's name is not counted. */
export interface KeySpec {
  /** What happens to the keys: R read, W read and write, O overwritten, D deleted, N not a key (a shard channel). */
  readonly access: string
  /** Index where the search begins; with a keyword, the first index to look for it (negative: from the end). */
  readonly begin: number
  /** The token before the keys, in capitals; '' when `begin` is the place itself. */
  readonly keyword: string
  /** Offset of the key count from the place found; -1 when the keys are a range. */
  readonly countOffset: number
  /** Offset of the first key from the place found (0 for a range). */
  readonly firstOffset: number
  /** Offset of the last key from the place found; negative from the end of the arguments. */
  readonly last: number
  readonly step: number
  /** With a negative `last`: the keys are this fraction of what follows (XREAD: 2, the first half). 0: all of it. */
  readonly fraction: number
}

/** Everything the client knows of a command; created once, never changed, one hidden class. */
export interface CommandSpec {
  /** Lower case. Of a subcommand: its own name only (`list` of CLIENT LIST). */
  readonly name: string
  readonly upperName: string
  /** What the server calls it: `get`, `client|list`. */
  readonly fullName: string
  /** The name as the first bulk string of a request, `$3\r\nget\r\n`; of a subcommand, that of its own token. */
  readonly wireName: string
  /** Whether the name is ASCII; others are a mistake of their callers, which must not become anybody else's. */
  readonly plainName: boolean
  /** Bits of `FLAG`. 0 for an unknown command, which is thereby treated as a write that is never sent twice. */
  readonly flags: number
  /** As the server counts: with the name; negative means at least. 0 for an unknown command. */
  readonly arity: number
  readonly group: string
  /** First server version that has it, '' if not known. */
  readonly since: string
  readonly keySpecs: readonly KeySpec[]
  /** Index of the first key when it is the same in every call, else `NO_KEY` or `KEY_VARIES`. */
  readonly firstKeyAt: number
  /** Index of the block time among the arguments, negative from the end; `NaN` when it has none or takes a token. */
  readonly blockTimeAt: number
  /** Milliseconds per unit of the block time: 1 or 1000. */
  readonly blockTimeUnit: number
  /** Token before the block time (BLOCK of XREAD), else ''. */
  readonly blockToken: string
  /** Which argument-dependent rule applies (`rules.ts`), '' for none. */
  readonly rule: string
  readonly subcommands: ReadonlyMap<string, CommandSpec> | undefined
  /** On a cluster it may concern several servers, of a container: one of its subcommands. */
  readonly spreads: boolean
  readonly spread: Spread | undefined
  /** False for a command of no server and no specification file. */
  readonly known: boolean
}

export const NO_KEY = -1
export const KEY_VARIES = -2

const NO_KEY_SPECS: readonly KeySpec[] = Object.freeze([])

/** Commands of modules nobody described: remembered, but never more than this many. */
const UNKNOWN_LIMIT = 512
const unknown = new Map<string, CommandSpec>()
const commands = decodeTable(COMMAND_TABLE)

/** The specification of a command by name, whatever its case; an unknown one gets a generic specification. */
export function lookupCommand(name: string): CommandSpec {
  return commands.get(name) ?? commands.get(name.toLowerCase()) ?? lookupUnknown(name)
}

/** All known commands, containers without their subcommands, by lower-case name. */
export function knownCommands(): ReadonlyMap<string, CommandSpec> {
  return commands
}

/** The subcommand a call means when `spec` is a container (`CLIENT` + `LIST`), else `spec` itself. */
export function resolveSubcommand(spec: CommandSpec, args: readonly unknown[]): CommandSpec {
  if (spec.subcommands === undefined || args.length === 0) return spec
  return spec.subcommands.get(String(args[0]).toLowerCase()) ?? spec
}

function lookupUnknown(name: string): CommandSpec {
  const key = name.toLowerCase()
  let spec = unknown.get(key)
  if (spec === undefined) {
    if (unknown.size >= UNKNOWN_LIMIT) unknown.clear()
    spec = makeSpec(key, key, 0, 0, '', '', NO_KEY_SPECS, '-', '', undefined, false)
    unknown.set(key, spec)
  }
  return spec
}

function decodeTable(table: string): Map<string, CommandSpec> {
  const result = new Map<string, CommandSpec>()
  const keySpecs = new Map<string, readonly KeySpec[]>([['-', NO_KEY_SPECS]])
  const lines = table.split('\n')
  let parent = ''
  let subcommands: Map<string, CommandSpec> | undefined
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!
    if (line === '') continue
    const fields = line.split(' ')
    const isSub = line.startsWith('.')
    const name = isSub ? fields[0]!.slice(1) : fields[0]!
    if (!isSub) {
      parent = name
      subcommands = lines[i + 1]!.startsWith('.') ? new Map() : undefined
    }
    // A handful of key specifications serve hundreds of commands: they are shared.
    let keys = keySpecs.get(fields[5]!)
    if (keys === undefined) {
      keys = fields[5]!.split(';').map(decodeKeySpec).filter(isComplete)
      keySpecs.set(fields[5]!, keys)
    }
    const spec = makeSpec(
      name,
      isSub ? `${parent}|${name}` : name,
      Number.parseInt(fields[2]!, 36),
      Number(fields[1]),
      fields[3]!,
      fields[4] === '-' ? '' : fields[4]!,
      keys,
      fields[6]!,
      fields[7] === '-' ? '' : fields[7]!,
      isSub ? undefined : subcommands,
      true,
    )
    if (isSub) subcommands!.set(name, spec)
    else result.set(name, spec)
  }
  return result
}

function makeSpec(
  name: string,
  fullName: string,
  flags: number,
  arity: number,
  group: string,
  since: string,
  keySpecs: readonly KeySpec[],
  block: string,
  rule: string,
  subcommands: ReadonlyMap<string, CommandSpec> | undefined,
  known: boolean,
): CommandSpec {
  const blockPlace = block.slice(0, -1)
  const spread = spreadOf(fullName)
  return {
    name,
    upperName: name.toUpperCase(),
    fullName,
    wireName: `$${Buffer.byteLength(name)}\r\n${name}\r\n`,
    plainName: Buffer.byteLength(name) === name.length,
    flags,
    arity,
    group,
    since,
    keySpecs,
    firstKeyAt: firstKeyPlace(keySpecs, rule, subcommands),
    blockTimeAt: block === '-' ? Number.NaN : Number(blockPlace),
    blockTimeUnit: block.endsWith('s') ? 1000 : 1,
    blockToken: /^[A-Z]/.test(blockPlace) ? blockPlace : '',
    rule,
    subcommands,
    spreads: isSpread(fullName),
    spread,
    known,
  }
}

function firstKeyPlace(
  keySpecs: readonly KeySpec[],
  rule: string,
  subcommands: ReadonlyMap<string, CommandSpec> | undefined,
): number {
  if (subcommands !== undefined || rule === 'migrate') return KEY_VARIES
  const first = keySpecs.find((spec) => spec.access !== 'N')
  if (first === undefined) return NO_KEY
  return first === keySpecs[0] && first.keyword === '' && first.countOffset < 0 ? first.begin : KEY_VARIES
}

/** Keys at an unknown place (BY and STORE of SORT) are a matter of `rules.ts`, or of nobody. */
function isComplete(spec: KeySpec): boolean {
  return !Number.isNaN(spec.begin)
}

/** The notation is described where it is written: `formatKeySpec` of generator/notation.ts. */
function decodeKeySpec(text: string): KeySpec {
  const access = text.charAt(0)
  const [place = '', numbers = ''] = text.slice(text.indexOf('@') + 1).split(/[:#]/)
  const counted = text.includes('#')
  const [keyword, begin] = place.includes(',') ? (place.split(',') as [string, string]) : ['', place]
  const [a, b, c] = numbers === '' ? [0, 1, 0] : numbers.split(',').map(Number)
  const from = begin === '?' ? Number.NaN : Number(begin)
  return {
    access,
    begin: from < 0 ? from : from - 1,
    keyword,
    countOffset: counted ? (a ?? 0) : -1,
    firstOffset: counted ? (b ?? 1) : 0,
    last: counted ? 0 : (a ?? 0),
    step: counted ? (c ?? 1) : (b ?? 1),
    fraction: counted ? 0 : (c ?? 0),
  }
}
