import { Redis } from 'ioredis'

/** An argument as `COMMAND DOCS` describes it. */
export interface ArgumentDoc {
  readonly name: string
  readonly type: string
  readonly token?: string
  readonly optional: boolean
  readonly multiple: boolean
  readonly multipleToken: boolean
  readonly children: readonly ArgumentDoc[]
}

/** A command, or one subcommand, of the running server. */
export interface CommandDoc {
  /** `get`, or `object|encoding`. */
  readonly name: string
  readonly group: string
  readonly args: readonly ArgumentDoc[]
}

interface RawArgument {
  name: string
  type: string
  token?: string
  flags?: string[]
  arguments?: RawArgument[]
}

interface RawDoc {
  group?: string
  arguments?: RawArgument[]
  subcommands?: Record<string, RawDoc>
}

/** Every command the server at this port describes, containers replaced by their subcommands. */
export async function readDocs(port: number): Promise<CommandDoc[]> {
  const redis = new Redis({ port, host: '127.0.0.1', replyMapping: 'resp3' })
  try {
    const docs = (await redis.call('COMMAND', 'DOCS')) as Record<string, RawDoc>
    return Object.entries(docs)
      .flatMap(([name, doc]) => expand(name, doc))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  } finally {
    await redis.quit()
  }
}

function expand(name: string, doc: RawDoc): CommandDoc[] {
  if (doc.subcommands !== undefined)
    return Object.entries(doc.subcommands).flatMap(([sub, subDoc]) => expand(sub, subDoc))
  return [{ name, group: doc.group ?? '', args: (doc.arguments ?? []).map(toArgument) }]
}

function toArgument(raw: RawArgument): ArgumentDoc {
  const flags = new Set(raw.flags)
  return {
    name: raw.name,
    type: raw.type,
    token: raw.token,
    optional: flags.has('optional'),
    multiple: flags.has('multiple'),
    multipleToken: flags.has('multiple_token'),
    children: (raw.arguments ?? []).map(toArgument),
  }
}
