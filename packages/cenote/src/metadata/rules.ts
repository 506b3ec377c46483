/**
 * What the server's table cannot say because it depends on the arguments. These are the only commands treated by name:
 * each rule is bound to its commands in generator/overlay.json. Arguments never include the command's name.
 */
export interface ArgumentRule {
  /** Whether this call leaves the data as it was, so that it may be sent again. */
  readonly readOnly?: (args: readonly unknown[]) => boolean
  /** All keys of this call, where the key specifications are incomplete. */
  readonly keys?: (args: readonly unknown[]) => number[]
}

export const RULES: Readonly<Record<string, ArgumentRule | undefined>> = {
  /** SORT key [BY p] [LIMIT o c] [GET p]... [STORE destination]: a write only when it stores. */
  sort: {
    readOnly: (args) => sortDestination(args) < 0,
    keys: (args) => {
      const store = sortDestination(args)
      return store < 0 ? [0] : [0, store]
    },
  },
  /** GEORADIUS and GEORADIUSBYMEMBER: a write only with STORE or STOREDIST (the server stores to the last, but checks all). */
  store: {
    readOnly: (args) => geoDestinations(args).length === 0,
    keys: (args) => [0, ...geoDestinations(args)],
  },
  /** MIGRATE host port key|"" db timeout ... [KEYS key...]: with KEYS the key itself is empty. */
  migrate: {
    keys: (args) => {
      const keyword = migrateKeyword(args)
      if (keyword < 0) return args.length > 2 ? [2] : []
      return Array.from({ length: args.length - keyword - 1 }, (_, i) => keyword + 1 + i)
    },
  },
  /** GETEX changes the expiry only when told to. */
  getex: { readOnly: (args) => args.length === 1 },
  /** BITFIELD with nothing but GET operations. */
  bitfield: {
    readOnly: (args) => {
      for (let i = 1; i < args.length; i += 3) if (!isToken(args[i], 'GET')) return false
      return true
    },
  },
  /** A script that declares itself free of writes in its first line: `#!lua flags=no-writes`. */
  eval: {
    readOnly: (args) => {
      const script = args[0]
      if (typeof script !== 'string' || !script.startsWith('#!lua')) return false
      const firstLine = script.slice(0, script.indexOf('\n') >>> 0)
      return /[ ,=]no-writes(?:[ ,]|$)/.test(firstLine)
    },
  },
  /** ACL LOG shows entries, ACL LOG RESET drops them. */
  acllog: { readOnly: (args) => !isToken(args[1], 'RESET') },
}

/** Compares an argument with a keyword in capitals as the server does: without case, string or Buffer. */
export function isToken(arg: unknown, token: string): boolean {
  if (typeof arg === 'string') return arg.length === token.length && arg.toUpperCase() === token
  return Buffer.isBuffer(arg) && arg.length === token.length && arg.toString('latin1').toUpperCase() === token
}

function sortDestination(args: readonly unknown[]): number {
  let found = -1
  for (let i = 1; i < args.length; i++) {
    const arg = args[i]
    if (isToken(arg, 'LIMIT')) i += 2
    else if (isToken(arg, 'GET') || isToken(arg, 'BY')) i += 1
    else if (isToken(arg, 'STORE') && i + 1 < args.length) found = ++i
  }
  return found
}

/**
 * Indices of the patterns that name other keys (BY and GET of SORT). They take the prefix like keys, but nobody routes
 * by them. `GET #` is the element itself.
 */
export function keyPatternPositions(name: string, args: readonly unknown[]): number[] {
  const found: number[] = []
  if (name !== 'sort' && name !== 'sort_ro') return found
  for (let i = 1; i + 1 < args.length; i++) {
    const arg = args[i]
    if (isToken(arg, 'LIMIT')) i += 2
    else if (isToken(arg, 'STORE')) i += 1
    else if (isToken(arg, 'BY') || (isToken(arg, 'GET') && !isToken(args[i + 1], '#'))) found.push(++i)
    else if (isToken(arg, 'GET')) i += 1
  }
  return found
}

function geoDestinations(args: readonly unknown[]): number[] {
  const found: number[] = []
  for (let i = 4; i + 1 < args.length; i++) {
    if (isToken(args[i], 'STORE') || isToken(args[i], 'STOREDIST')) found.push(++i)
  }
  return found
}

function migrateKeyword(args: readonly unknown[]): number {
  const key = args[2]
  if ((typeof key !== 'string' && !Buffer.isBuffer(key)) || key.length > 0) return -1
  for (let i = 5; i < args.length; i++) {
    if (isToken(args[i], 'AUTH')) i += 1
    else if (isToken(args[i], 'AUTH2')) i += 2
    else if (isToken(args[i], 'KEYS')) return i
  }
  return -1
}
