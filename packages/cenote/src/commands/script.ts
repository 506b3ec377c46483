import { createHash } from 'node:crypto'
import type { Command } from '../connection/command.js'
import { type CommandSpec, lookupCommand } from '../metadata/lookup.js'

export interface ScriptOptions {
  /** The Lua source. */
  lua: string
  /** How many of the arguments are keys; when absent, each call passes the number first. */
  numberOfKeys?: number
  /** The script only reads, so it may be sent again after a lost reply. Default false. */
  readOnly?: boolean
}

/** A script as sent: in full the first time on a connection, by its hash afterwards. */
export class Script {
  readonly sha: string
  readonly full: CommandSpec
  readonly byHash: CommandSpec

  constructor(
    readonly lua: string,
    readonly numberOfKeys: number | undefined,
    readonly readOnly: boolean,
  ) {
    this.sha = createHash('sha1').update(lua).digest('hex')
    this.full = lookupCommand('eval')
    this.byHash = lookupCommand('evalsha')
  }

  /** Called when the command is encoded for a connection whose set of loaded hashes is given. */
  prepare(command: Command, loaded: Set<string>): void {
    const args = command.args as string[]
    if (loaded.has(this.sha)) {
      command.spec = this.byHash
      args[0] = this.sha
    } else {
      command.spec = this.full
      args[0] = this.lua
      loaded.add(this.sha)
    }
  }
}
