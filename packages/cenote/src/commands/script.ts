import { createHash } from 'node:crypto'
import type { ScriptDefinition } from '../config/ioredis-options.js'
import { type Command, IDEMPOTENT, type ScriptReference, TRANSACTION, WAITING } from '../connection/command.js'
import { ConfigError } from '../errors.js'
import { type CommandSpec, lookupCommand } from '../metadata/lookup.js'
import type { ArgumentInput } from './args.js'

export interface ScriptOptions extends ScriptDefinition {
  /** The Lua source. */
  lua: string
  /** How many of the arguments are keys; when absent, each call passes the number first. */
  numberOfKeys?: number | undefined
  /** The script only reads, so it may be sent again after a lost reply. Default false. */
  readOnly?: boolean | undefined
}

/** A MULTI … EXEC remembers which of its commands carries the source of a script; the others may use its hash. */
export interface SourceCarrier {
  readonly carriers: Map<string, Command>
}

/** A script as sent: in full the first time on a connection, by its hash afterwards. */
export class Script implements ScriptReference {
  readonly sha: string
  readonly full: CommandSpec
  readonly byHash: CommandSpec
  readonly lua: string
  readonly numberOfKeys: number | undefined
  readonly readOnly: boolean

  /** @throws ConfigError when the definition has no source or an impossible number of keys */
  constructor(name: string, options: ScriptOptions) {
    const { lua, numberOfKeys, readOnly } = options
    if (typeof lua !== 'string') throw new ConfigError(`The script ${name} must have its source in \`lua\``)
    if (numberOfKeys !== undefined && numberOfKeys !== null && !(Number.isInteger(numberOfKeys) && numberOfKeys >= 0)) {
      throw new ConfigError(`numberOfKeys of the script ${name} must be a whole number from 0`)
    }
    this.lua = lua
    this.numberOfKeys = numberOfKeys ?? undefined
    this.readOnly = readOnly === true
    this.sha = createHash('sha1').update(lua).digest('hex')
    this.full = lookupCommand('eval')
    this.byHash = lookupCommand('evalsha')
  }

  /** What a call passes on: a place for source or hash, the number of keys, keys and arguments. */
  arguments(args: ArgumentInput[]): ArgumentInput[] {
    return this.numberOfKeys === undefined ? ['', ...args] : ['', String(this.numberOfKeys), ...args]
  }

  /** Called when the command is encoded for a connection whose set of loaded hashes is given. */
  prepare(command: Command, loaded: Set<string>): void {
    if ((command.flags & TRANSACTION) !== 0) this.prepareInTransaction(command)
    else if (loaded.has(this.sha)) this.use(command, this.byHash, this.sha)
    else {
      loaded.add(this.sha)
      this.use(command, this.full, this.lua)
    }
  }

  /** NOSCRIPT inside EXEC cannot be healed any more, so the first use in each transaction brings the source along. */
  private prepareInTransaction(command: Command): void {
    const { carriers } = command.batch as unknown as SourceCarrier
    const carrier = carriers.get(this.sha) ?? command
    carriers.set(this.sha, carrier)
    if (carrier === command) this.use(command, this.full, this.lua)
    else this.use(command, this.byHash, this.sha)
  }

  recovers(command: Command, error: Error, loaded: Set<string>): boolean {
    // Only a hash can be unknown; an EVAL that says so says it by its own will.
    if (command.spec !== this.byHash || !error.message.startsWith('NOSCRIPT')) return false
    if ((command.flags & TRANSACTION) !== 0) return false
    loaded.delete(this.sha)
    command.stage = WAITING
    return true
  }

  private use(command: Command, spec: CommandSpec, what: string): void {
    command.spec = spec
    ;(command.args as string[])[0] = what
  }
}

/** A script that only reads may be sent again. */
export function markScript(command: Command, script: Script): void {
  command.script = script
  if (script.readOnly) command.flags |= IDEMPOTENT
}
