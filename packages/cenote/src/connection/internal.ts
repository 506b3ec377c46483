import { ConnectionError } from '../errors.js'
import { lookupCommand } from '../metadata/lookup.js'
import { Command, INTERNAL, promiseOf } from './command.js'
import type { Connection } from './connection.js'

/** A PING, with a word that its reply must bring back if one is given. */
export function newPing(word?: string): Command {
  return new Command(lookupCommand('ping'), word === undefined ? [] : [word], INTERNAL)
}

/** Sends a command of the pool's own. Rejects with its connection at the latest. */
export function sendInternal(connection: Connection, name: string, ...args: string[]): Promise<unknown> {
  return sendInternalCommand(connection, new Command(lookupCommand(name), args, INTERNAL))
}

/** Behind everything that was accepted before, or with `first` before all that is not written yet. */
export function sendInternalCommand(connection: Connection, command: Command, first = false): Promise<unknown> {
  // On a closed one nothing is written any more, and nobody would come back to it.
  if (connection.state === 'closed') return Promise.reject(new ConnectionError('The connection is closed'))
  const promise = promiseOf(command)
  if (first) connection.sendFirst(command)
  else connection.send(command)
  return promise
}
