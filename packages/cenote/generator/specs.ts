import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CommandFacts } from './facts.js'
import { parseArguments, parseKeySpec } from './notation.js'

/** One entry of a specification file; `args` and `keys` are in the notation of `notation.ts`. */
interface SpecEntry {
  since?: string
  group?: string
  arity?: number
  flags?: string
  keys?: string
  summary?: string
  complexity?: string
  deprecated?: string
  replacedBy?: string
  args?: string
}

interface SpecFile {
  source: string
  /** Names in capitals; a subcommand is `CLIENT SETINFO`, its container must exist on the server or in a file. */
  commands: Record<string, SpecEntry>
}

/**
 * Adds the specification files to what the server tells. A command the server knows keeps the server's facts, except
 * for `args`: newer servers take more options, and a client's types should not forbid them.
 */
export async function addSpecs(folder: string, base: CommandFacts[]): Promise<CommandFacts[]> {
  const commands = new Map(base.map((facts) => [facts.name, facts]))
  for (const file of (await readdir(folder)).filter((name) => name.endsWith('.json')).sort()) {
    const content = JSON.parse(await readFile(join(folder, file), 'utf8')) as SpecFile
    for (const [title, entry] of Object.entries(content.commands)) {
      try {
        add(commands, title.toLowerCase().split(' '), entry, file)
      } catch (error) {
        throw new Error(`${file}, ${title}: ${(error as Error).message}`)
      }
    }
  }
  return [...commands.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

function add(commands: Map<string, CommandFacts>, path: string[], entry: SpecEntry, file: string): void {
  const [name = '', sub] = path
  const container = commands.get(name)
  if (sub === undefined) {
    if (!container) commands.set(name, toFacts(name, entry, file))
    else if (entry.args !== undefined) container.args = parseArguments(entry.args)
    return
  }
  if (!container) throw new Error(`no command ${name} to hold this subcommand`)
  const fullName = `${name}|${sub}`
  const known = container.subcommands.find((facts) => facts.name === fullName)
  if (!known) container.subcommands.push(toFacts(fullName, { group: container.group, ...entry }, file))
  else if (entry.args !== undefined) known.args = parseArguments(entry.args)
  container.subcommands.sort((a, b) => (a.name < b.name ? -1 : 1))
}

function toFacts(name: string, entry: SpecEntry, file: string): CommandFacts {
  if (entry.arity === undefined) throw new Error('arity missing')
  return {
    name,
    arity: entry.arity,
    flags: (entry.flags ?? '').split(' ').filter(Boolean).sort(),
    keys: (entry.keys ?? '').split(' ').filter(Boolean).map(parseKeySpec),
    group: entry.group ?? 'generic',
    since: entry.since ?? '',
    summary: entry.summary ?? '',
    complexity: entry.complexity ?? '',
    deprecatedSince: entry.deprecated,
    replacedBy: entry.replacedBy,
    args: parseArguments(entry.args ?? ''),
    subcommands: [],
    source: file,
  }
}
