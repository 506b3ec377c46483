import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { promisify } from 'node:util'
import type { ArgumentFacts, ArgumentType, CommandFacts, KeyAccess, KeySpecFacts } from './facts.js'

const run = promisify(execFile)

export interface ServerFacts {
  version: string
  commands: CommandFacts[]
}

/** Starts a private redis-server on a Unix socket in its own temporary folder, asks it for its commands, stops it. */
export async function readServer(binary = process.env.REDIS_SERVER_BIN || 'redis-server'): Promise<ServerFacts> {
  const folder = await mkdtemp(join(tmpdir(), 'cenote-generate-'))
  const socket = join(folder, 'redis.sock')
  const options = ['--port', '0', '--unixsocket', socket, '--dir', folder, '--save', '', '--appendonly', 'no']
  const server = spawn(binary, options, { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(server, 'exit')
  try {
    await Promise.race([
      untilReady(server.stdout),
      exited.then(([code]) => {
        throw new Error(`${binary} ended with code ${String(code)} before it was ready`)
      }),
    ])
    const ask = async (...command: string[]): Promise<unknown> => {
      const { stdout } = await run('redis-cli', ['-s', socket, '--json', ...command], { maxBuffer: 64 << 20 })
      return JSON.parse(stdout)
    }
    const { version } = (await ask('HELLO', '3')) as { version: string }
    const commands = (await ask('COMMAND')) as RawCommand[]
    const docs = (await ask('COMMAND', 'DOCS')) as Record<string, RawDoc>
    return { version, commands: commands.map((raw) => toFacts(raw, docs[raw[0]])).sort(byName) }
  } finally {
    server.kill('SIGKILL')
    await exited.catch(() => undefined)
    await rm(folder, { recursive: true, force: true })
  }
}

async function untilReady(output: Readable): Promise<void> {
  let text = ''
  for await (const chunk of output.iterator({ destroyOnReturn: false })) {
    text += String(chunk)
    if (text.includes('eady to accept connections')) break
  }
  output.resume()
}

type RawCommand = [
  name: string,
  arity: number,
  flags: string[],
  first: number,
  last: number,
  step: number,
  categories: string[],
  tips: string[],
  keySpecs: RawKeySpec[],
  subcommands: RawCommand[],
]

interface RawKeySpec {
  flags: string[]
  begin_search: { type: string; spec: Record<string, unknown> }
  find_keys: { type: string; spec: Record<string, unknown> }
}

interface RawDoc {
  summary?: string
  since?: string
  group?: string
  complexity?: string
  deprecated_since?: string
  replaced_by?: string
  arguments?: RawArgument[]
  subcommands?: Record<string, RawDoc>
}

interface RawArgument {
  name: string
  type: string
  token?: string
  flags?: string[]
  arguments?: RawArgument[]
}

const byName = (a: CommandFacts, b: CommandFacts): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)

function toFacts(raw: RawCommand, doc: RawDoc = {}): CommandFacts {
  return {
    name: raw[0],
    arity: raw[1],
    flags: [...raw[2]].sort(),
    keys: raw[8].map(toKeySpec),
    group: doc.group ?? 'generic',
    since: doc.since ?? '',
    summary: doc.summary ?? '',
    complexity: doc.complexity ?? '',
    deprecatedSince: doc.deprecated_since,
    replacedBy: doc.replaced_by,
    args: (doc.arguments ?? []).map(toArgument),
    subcommands: raw[9].map((sub) => toFacts(sub, doc.subcommands?.[sub[0]])).sort(byName),
    source: undefined,
  }
}

function toKeySpec(raw: RawKeySpec): KeySpecFacts {
  const access = (['RO', 'RW', 'OW', 'RM'] as KeyAccess[]).find((name) => raw.flags.includes(name)) ?? 'NOT_KEY'
  const begin = raw.begin_search.spec
  const find = raw.find_keys.spec
  return {
    access,
    incomplete: raw.flags.includes('incomplete'),
    begin:
      raw.begin_search.type === 'index'
        ? { kind: 'index', index: Number(begin.index) }
        : raw.begin_search.type === 'keyword'
          ? { kind: 'keyword', keyword: String(begin.keyword), from: Number(begin.startfrom) }
          : { kind: 'unknown' },
    find:
      raw.find_keys.type === 'range'
        ? {
            kind: 'range',
            lastKey: Number(find.lastkey),
            step: Number(find.keystep),
            limit: Number(find.limit),
          }
        : raw.find_keys.type === 'keynum'
          ? {
              kind: 'keynum',
              numIndex: Number(find.keynumidx),
              firstKey: Number(find.firstkey),
              step: Number(find.keystep),
            }
          : { kind: 'unknown' },
  }
}

function toArgument(raw: RawArgument): ArgumentFacts {
  const flags = raw.flags ?? []
  return {
    name: raw.name,
    type: raw.type as ArgumentType,
    token: raw.token,
    optional: flags.includes('optional'),
    multiple: flags.includes('multiple') || flags.includes('multiple_token'),
    multipleToken: flags.includes('multiple_token'),
    children: (raw.arguments ?? []).map(toArgument),
  }
}
