import { type CenoteError, ConnectionError, isCenoteError, ReplyError } from '../errors.js'
import { setTimeout } from '../timers.js'
import type { Connection } from './connection.js'
import { describeEndpoint } from './connection.js'
import { newPing, sendInternal, sendInternalCommand } from './internal.js'

export interface HandshakeOptions {
  /** RESP version asked for; falls back to 2 where the server refuses HELLO. */
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
export type HandshakeFailure = 'auth' | 'max-clients' | 'loading' | 'refused' | 'tls'

export class HandshakeError extends ConnectionError {
  constructor(
    readonly failure: HandshakeFailure,
    message: string,
    cause: unknown,
  ) {
    super(message, { code: CODES[failure] ?? 'CENOTE_CONNECTION', cause })
  }
  static {
    HandshakeError.prototype.name = 'ConnectionError'
  }
}
const CODES: Readonly<Partial<Record<HandshakeFailure, string>>> = {
  auth: 'CENOTE_AUTH',
  'max-clients': 'CENOTE_MAX_CLIENTS',
  tls: 'CENOTE_TLS',
}

const LIBRARY_NAME = 'cenote'
const LIBRARY_VERSION = '0.1.0'
const LOADING_RETRY_MS = 50

/** How a handshake went, beyond that the connection is ready. */
export interface Greeting {
  /** The server did not want the credentials it was given; what it said. */
  readonly unwantedCredentials: string | undefined
}

/**
 * Brings a fresh connection to `ready`: HELLO with credentials and name, SELECT, CLIENT SETINFO in one write, then
 * PING until the server has finished loading its data. Without a limit of its own: the dial closes the connection when
 * its time is up.
 * @param loading called when the server says that it is loading its data
 * @throws HandshakeError naming what the server refused; never contains the password
 */
export async function performHandshake(
  connection: Connection,
  options: HandshakeOptions,
  loading: () => void,
): Promise<Greeting> {
  try {
    const unwantedCredentials =
      options.protocol === 3 ? await hello(connection, options) : await legacy(connection, options)
    await waitUntilLoaded(connection, loading)
    connection.markReady()
    return { unwantedCredentials }
  } catch (error) {
    throw describeFailure(error, describeEndpoint(connection.endpoint))
  }
}

/** For a connection that is ready: goes out before whatever is sent next. */
export function selectDatabase(connection: Connection, database: number): void {
  connection.database = database
  sendInternal(connection, 'select', String(database)).catch((error: CenoteError) => {
    connection.close('doubtful', new ConnectionError('Its database could not be selected again', { cause: error }))
  })
}

async function hello(connection: Connection, options: HandshakeOptions): Promise<string | undefined> {
  const args = ['3']
  const credentials = credentialsOf(options)
  if (credentials !== undefined) args.push('AUTH', options.username ?? 'default', options.password ?? '')
  if (options.connectionName !== '') args.push('SETNAME', options.connectionName)
  const greeting = sendInternal(connection, 'hello', ...args)
  const rest = afterAuth(connection, options)
  try {
    readGreeting(connection, (await greeting) as unknown[])
    connection.protocol = 3
  } catch (error) {
    await rest.catch(() => undefined)
    // Whatever a server or a proxy has against HELLO, the commands it stands for may do. Not so what it has against us.
    if (!(error instanceof ReplyError) || isAuthRefusal(error.message) || isFull(error.message)) throw error
    return legacy(connection, options)
  }
  await rest
  return undefined
}

const credentialsOf = ({ username, password }: HandshakeOptions): string[] | undefined =>
  username !== undefined ? [username, password ?? ''] : password !== undefined ? [password] : undefined

async function legacy(connection: Connection, options: HandshakeOptions): Promise<string | undefined> {
  connection.protocol = 2
  const credentials = credentialsOf(options)
  let unwanted: string | undefined
  if (credentials !== undefined) unwanted = await authenticate(connection, credentials)
  if (options.connectionName !== '') {
    // Information only, and unknown to some proxies.
    sendInternal(connection, 'client', 'SETNAME', options.connectionName).catch(() => undefined)
  }
  // So that the server can be asked about this connection; unknown before 5.0.
  sendInternal(connection, 'client', 'ID').then(
    (id) => {
      connection.serverId = Number(id) || 0
    },
    () => undefined,
  )
  await afterAuth(connection, options)
  return unwanted
}

/**
 * AUTH. A server that wants no password, or knows no users, is used all the same: whoever configured more than it needs
 * is told, not refused.
 * @returns what the server had against the credentials
 */
export async function authenticate(
  connection: Connection,
  credentials: readonly string[],
): Promise<string | undefined> {
  try {
    await sendInternal(connection, 'auth', ...credentials)
    return undefined
  } catch (error) {
    if (!(error instanceof ReplyError)) throw error
    if (/without any password configured|no password is set/i.test(error.message)) return error.message
    const knowsNoUsers = credentials.length === 2 && /wrong number of arguments/i.test(error.message)
    if (!knowsNoUsers) throw error
    return (await authenticate(connection, credentials.slice(1))) ?? error.message
  }
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

async function waitUntilLoaded(connection: Connection, loading: () => void): Promise<void> {
  for (;;) {
    try {
      await sendInternalCommand(connection, newPing())
      return
    } catch (error) {
      if (!(error instanceof ReplyError)) throw error
      if (error.kind === 'NOAUTH') throw error
      // An ACL may forbid PING, and a replica without its master still serves what it may.
      if (error.kind !== 'LOADING') return
      loading()
    }
    await new Promise((resolve) => setTimeout(resolve, LOADING_RETRY_MS).unref())
  }
}

const isAuthRefusal = (text: string): boolean =>
  /^(WRONGPASS|NOAUTH|ERR invalid password|ERR AUTH|ERR Client sent AUTH)/i.test(text)
const isFull = (text: string): boolean => /max number of clients/i.test(text)

function describeFailure(error: unknown, where: string): CenoteError {
  if (!(error instanceof ReplyError)) {
    return isCenoteError(error) ? error : new ConnectionError(`Handshake with ${where} failed`, { cause: error })
  }
  const text = error.message
  if (isAuthRefusal(text)) {
    return new HandshakeError(
      'auth',
      text.startsWith('NOAUTH')
        ? `The server at ${where} asks for a password and none was given (${text}); set password, or username and password`
        : `The server at ${where} refused the credentials (${text}); check username and password`,
      error,
    )
  }
  if (isFull(text)) {
    return new HandshakeError(
      'max-clients',
      `The server at ${where} has reached its limit of connections (${text}); raise its maxclients or lower maxConnections`,
      error,
    )
  }
  return new HandshakeError('refused', `The server at ${where} refused the handshake: ${text}`, error)
}
