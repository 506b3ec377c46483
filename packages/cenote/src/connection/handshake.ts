import { type CenoteError, ConnectionError, isCenoteError, ReplyError } from '../errors.js'
import { lookupCommand } from '../metadata/lookup.js'
import { Command, INTERNAL, promiseOf } from './command.js'
import { type Connection, describeEndpoint } from './connection.js'

export interface HandshakeOptions {
  /** RESP version asked for; falls back to 2 where the server knows no HELLO. */
  readonly protocol: 2 | 3
  readonly username: string | undefined
  readonly password: string | undefined
  readonly database: number
  /** CLIENT SETNAME; empty for none. */
  readonly connectionName: string
  /** Whether to tell the server which library this is (CLIENT SETINFO). */
  readonly setInfo: boolean
  /** Appended to the name of the library. */
  readonly infoTag: string | undefined
  readonly readOnly: boolean
}

/** Why a handshake failed, for the layer that decides whether dialling again makes sense. */
export type HandshakeFailure = 'auth' | 'max-clients' | 'loading' | 'refused'

export class HandshakeError extends ConnectionError {
  constructor(
    readonly failure: HandshakeFailure,
    message: string,
    cause: unknown,
  ) {
    super(message, {
      code: failure === 'auth' ? 'CENOTE_AUTH' : failure === 'max-clients' ? 'CENOTE_MAX_CLIENTS' : 'CENOTE_CONNECTION',
      cause,
    })
  }
  static {
    HandshakeError.prototype.name = 'ConnectionError'
  }
}

const LIBRARY_NAME = 'cenote'
const LIBRARY_VERSION = '0.1.0'
const LOADING_RETRY_MS = 50

/**
 * Brings a fresh connection to `ready`: HELLO with credentials and name, SELECT, CLIENT SETINFO in one write, then
 * PING until the server has finished loading its data.
 * @param greeted called once the server has accepted the connection, before it may be waited on to load its data
 * @throws HandshakeError naming what the server refused; never contains the password
 */
export async function performHandshake(
  connection: Connection,
  options: HandshakeOptions,
  greeted: () => void,
): Promise<void> {
  const where = describeEndpoint(connection.endpoint)
  try {
    if (options.protocol === 3) await hello(connection, options)
    else await legacy(connection, options)
  } catch (error) {
    throw describeFailure(error, where)
  }
  greeted()
  await waitUntilLoaded(connection)
  connection.markReady()
}

export function sendInternal(connection: Connection, name: string, ...args: string[]): Promise<unknown> {
  const command = new Command(lookupCommand(name), args, INTERNAL)
  const promise = promiseOf(command)
  connection.send(command)
  return promise
}

/** For a connection that is ready: goes out before whatever is sent next. */
export function selectDatabase(connection: Connection, database: number): void {
  connection.database = database
  sendInternal(connection, 'select', String(database)).catch((error: CenoteError) => {
    connection.close('doubtful', new ConnectionError('Its database could not be selected again', { cause: error }))
  })
}

async function hello(connection: Connection, options: HandshakeOptions): Promise<void> {
  const args = ['3']
  if (options.password !== undefined) args.push('AUTH', options.username ?? 'default', options.password)
  if (options.connectionName !== '') args.push('SETNAME', options.connectionName)
  const greeting = sendInternal(connection, 'hello', ...args)
  const rest = afterAuth(connection, options)
  try {
    readGreeting(connection, (await greeting) as unknown[])
    connection.protocol = 3
  } catch (error) {
    await rest.catch(() => undefined)
    if (!(error instanceof ReplyError) || !/^(ERR unknown command|NOPROTO)/i.test(error.message)) throw error
    await legacy(connection, options)
    return
  }
  await rest
}

async function legacy(connection: Connection, options: HandshakeOptions): Promise<void> {
  connection.protocol = 2
  const replies: Promise<unknown>[] = []
  if (options.password !== undefined) {
    const credentials = options.username === undefined ? [options.password] : [options.username, options.password]
    replies.push(sendInternal(connection, 'auth', ...credentials))
  }
  if (options.connectionName !== '') {
    replies.push(sendInternal(connection, 'client', 'SETNAME', options.connectionName))
  }
  replies.push(afterAuth(connection, options))
  const results = await Promise.allSettled(replies)
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

async function afterAuth(connection: Connection, options: HandshakeOptions): Promise<void> {
  const replies: Promise<unknown>[] = []
  if (options.database !== 0) replies.push(sendInternal(connection, 'select', String(options.database)))
  // Means something to nodes of a cluster only; others refuse it.
  if (options.readOnly) sendInternal(connection, 'readonly').catch(() => undefined)
  if (options.setInfo) {
    // Servers before 7.2 do not know SETINFO; it is information only.
    sendInternal(connection, 'client', 'SETINFO', 'LIB-NAME', libraryName(options.infoTag)).catch(() => undefined)
    sendInternal(connection, 'client', 'SETINFO', 'LIB-VER', LIBRARY_VERSION).catch(() => undefined)
  }
  const results = await Promise.allSettled(replies)
  for (const result of results) if (result.status === 'rejected') throw result.reason
  connection.database = options.database
}

/** The server takes no spaces or control characters in it. */
function libraryName(tag: string | undefined): string {
  return tag === undefined ? LIBRARY_NAME : `${LIBRARY_NAME}(${tag.replace(/[^!-~]/g, '')})`
}

function readGreeting(connection: Connection, greeting: unknown): void {
  const pairs = Array.isArray(greeting) ? greeting : Object.entries(greeting as object).flat()
  for (let i = 0; i + 1 < pairs.length; i += 2) {
    if (pairs[i] === 'id') connection.serverId = Number(pairs[i + 1])
    else if (pairs[i] === 'version') connection.serverVersion = String(pairs[i + 1])
    else if (pairs[i] === 'role') connection.serverRole = String(pairs[i + 1])
  }
}

async function waitUntilLoaded(connection: Connection): Promise<void> {
  for (;;) {
    try {
      await sendInternal(connection, 'ping')
      return
    } catch (error) {
      if (!(error instanceof ReplyError)) throw error
      // An ACL may forbid PING, and a replica without its master still serves what it may.
      if (error.kind !== 'LOADING') return
    }
    await new Promise((resolve) => setTimeout(resolve, LOADING_RETRY_MS))
  }
}

function describeFailure(error: unknown, where: string): CenoteError {
  if (!(error instanceof ReplyError)) {
    return isCenoteError(error) ? error : new ConnectionError(`Handshake with ${where} failed`, { cause: error })
  }
  const text = error.message
  if (/^(WRONGPASS|NOAUTH|NOPERM|ERR invalid password|ERR AUTH|ERR Client sent AUTH)/i.test(text)) {
    return new HandshakeError(
      'auth',
      `The server at ${where} refused the credentials (${text}); check username and password`,
      error,
    )
  }
  if (/max number of clients/i.test(text)) {
    return new HandshakeError(
      'max-clients',
      `The server at ${where} has reached its limit of connections (${text}); raise its maxclients or lower maxConnections`,
      error,
    )
  }
  return new HandshakeError('refused', `The server at ${where} refused the handshake: ${text}`, error)
}
