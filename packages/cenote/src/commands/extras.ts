import { BINARY } from '../connection/command.js'
import { knownCommands, lookupCommand } from '../metadata/lookup.js'
import { commandMethod, defineMethod, type Method } from './commander.js'

/** Lesser members of ioredis' clients that libraries and their users reach for. */
export interface RedisExtras {
  /** Names of all commands that have a method. */
  getBuiltinCommands(): string[]
  /** The methods of a command by name, for use on any client: `{ string, buffer }`. */
  createBuiltinCommand(name: string): { string: Method; buffer: Method }
  /** Adds the method of a command this package does not know, and its Buffer twin. */
  addBuiltinCommand(name: string): void
  /** Older name of `disconnect()`. */
  end(): void
}

const extras: RedisExtras & ThisType<RedisExtras & { disconnect(): void }> = {
  getBuiltinCommands() {
    return [...knownCommands().keys()]
  },
  createBuiltinCommand(name) {
    const spec = lookupCommand(name)
    return { string: commandMethod(spec, 0), buffer: commandMethod(spec, BINARY) }
  },
  addBuiltinCommand(name) {
    const { string, buffer } = this.createBuiltinCommand(name)
    defineMethod(this, name, string)
    defineMethod(this, `${name}Buffer`, buffer)
  },
  end() {
    this.disconnect()
  },
}

export function installExtras(prototype: object): void {
  for (const [name, value] of Object.entries(extras)) defineMethod(prototype, name, value as Method)
}
