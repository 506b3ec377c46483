/** What is known of one command, from a server or from a specification file, before anything is generated from it. */
export interface CommandFacts {
  /** Lower case; a subcommand is `container|sub`. */
  name: string
  arity: number
  /** Lower case names as the server writes them. */
  flags: string[]
  keys: KeySpecFacts[]
  group: string
  since: string
  summary: string
  complexity: string
  deprecatedSince: string | undefined
  replacedBy: string | undefined
  args: ArgumentFacts[]
  subcommands: CommandFacts[]
  /** The file of `specs/` it comes from; undefined when it comes from the running server. */
  source: string | undefined
}

export type KeyAccess = 'RO' | 'RW' | 'OW' | 'RM' | 'NOT_KEY'

export interface KeySpecFacts {
  access: KeyAccess
  incomplete: boolean
  begin: { kind: 'index'; index: number } | { kind: 'keyword'; keyword: string; from: number } | { kind: 'unknown' }
  find:
    | { kind: 'range'; lastKey: number; step: number; limit: number }
    | { kind: 'keynum'; numIndex: number; firstKey: number; step: number }
    | { kind: 'unknown' }
}

export type ArgumentType =
  | 'key'
  | 'string'
  | 'integer'
  | 'double'
  | 'pattern'
  | 'unix-time'
  | 'pure-token'
  | 'oneof'
  | 'block'

export interface ArgumentFacts {
  name: string
  type: ArgumentType
  token: string | undefined
  optional: boolean
  multiple: boolean
  /** The token is repeated before each element, not written once. */
  multipleToken: boolean
  children: ArgumentFacts[]
}
