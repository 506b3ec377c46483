import type { ResolvedOptions } from '../config/options.js'
import type { LoopClock } from '../connection/clock.js'
import type { Command } from '../connection/command.js'
import {
  type CloseReason,
  Connection,
  type ConnectionOwner,
  describeEndpoint,
  type Leftovers,
} from '../connection/connection.js'
import { HandshakeError, performHandshake } from '../connection/handshake.js'
import type { Endpoint } from '../connection/socket.js'
import { type CenoteError, ClosedError, ConnectionError } from '../errors.js'
import type { Counters } from '../observe/counters.js'
import type { Topology } from '../topology/standalone.js'
import type { Credentials } from './credentials.js'

/**
 * How long one address may take to accept, ms. No healthy path needs more, and the kernel's own repetitions of a lost
 * packet come at 1, 3 and 7 seconds: dialling again finds a path that has come back sooner.
 */
const ACCEPT_TIMEOUT_MS = 1_000

/** Codes of dials that ran out of time: nobody accepted, or somebody accepted and said nothing. */
export const NOT_ACCEPTED = 'CENOTE_CONNECT_TIMEOUT'
export const NO_GREETING = 'CENOTE_HANDSHAKE_TIMEOUT'

/** Opens connections, one at a time per call: name, address by address, socket, handshake. */
export class Dial {
  private readonly underway = new Set<Connection>()
  private closed = false

  constructor(
    private readonly options: ResolvedOptions,
    private readonly topology: Topology,
    private readonly credentials: Credentials,
    private readonly clock: LoopClock,
    private readonly counters: Counters,
  ) {}

  /**
   * A connection that is ready for commands.
   * @throws CenoteError saying what was refused, and by whom
   */
  async open(timeoutMs: number): Promise<Connection> {
    const deadline = performance.now() + timeoutMs
    const endpoints = await this.inTime(this.topology.endpoints(), deadline, 'resolving the name')
    const password = await this.inTime(this.credentials.password(), deadline, 'the password function')
    let failure: CenoteError | undefined
    for (const endpoint of endpoints) {
      if (this.closed) throw new ClosedError()
      try {
        const connection = await this.openOne(endpoint, password, Math.max(1, deadline - performance.now()))
        this.topology.worked?.(endpoint)
        return connection
      } catch (error) {
        failure = error as CenoteError
        // A server that answers and refuses these credentials would refuse them at its other addresses too.
        if (failure instanceof HandshakeError && failure.failure === 'auth') throw failure
        if (performance.now() >= deadline) break
      }
    }
    throw failure ?? new ConnectionError(`${this.topology.describe()} has no address`)
  }

  /** Ends every dial under way. */
  close(): void {
    this.closed = true
    for (const connection of this.underway) connection.close('pool-closed', new ClosedError())
  }

  private inTime<T>(work: Promise<T>, deadline: number, what: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new ConnectionError(`No connection to ${this.topology.describe()}: ${what} took too long`)),
        deadline - performance.now(),
      )
      work.then(resolve, reject).finally(() => clearTimeout(timer))
    })
  }

  private openOne(endpoint: Endpoint, password: string | undefined, timeoutMs: number): Promise<Connection> {
    const { options } = this
    const where = describeEndpoint(endpoint) + (endpoint.address === undefined ? '' : ` (${endpoint.address})`)
    return new Promise((resolve, reject) => {
      const owner: ConnectionOwner = {
        onErrorReply: (_connection, command, error) => command.fail(error),
        onPush: () => undefined,
        onClosed: (_connection, _reason, error, leftovers) => {
          clearTimeout(timer)
          this.underway.delete(connection)
          failAll(leftovers, error)
          reject(spokenRefusal(error, where))
        },
      }
      const connection = new Connection(
        endpoint,
        { tls: options.tls, keepAliveMs: options.keepAlive, family: options.family, noDelay: options.noDelay },
        { mapping: options.replyMapping, stringNumbers: options.stringNumbers },
        this.clock,
        this.counters,
        owner,
      )
      this.underway.add(connection)
      const fail = (reason: CloseReason, error: CenoteError) => connection.close(reason, error)
      const acceptMs = Math.round(Math.min(timeoutMs, ACCEPT_TIMEOUT_MS))
      let timer = setTimeout(() => fail('connect-timeout', notAccepted(where, acceptMs)), acceptMs)
      connection.whenConnected(() => {
        clearTimeout(timer)
        timer = setTimeout(() => fail('connect-timeout', noGreeting(where, Math.round(timeoutMs))), timeoutMs)
        performHandshake(
          connection,
          {
            protocol: options.protocol,
            username: options.username,
            password,
            database: options.db,
            connectionName: options.connectionName,
            setInfo: !options.disableClientInfo,
            infoTag: options.clientInfoTag,
            readOnly: options.readOnly,
          },
          () => clearTimeout(timer),
        ).then(
          () => {
            clearTimeout(timer)
            this.underway.delete(connection)
            resolve(connection)
          },
          (error: CenoteError) => {
            fail('handshake-failed', error)
            reject(error)
          },
        )
      })
    })
  }
}

/** A server at its limit says so and hangs up, sometimes before our greeting was sent. */
function spokenRefusal(error: CenoteError, where: string): CenoteError {
  if (error instanceof HandshakeError || !/max number of clients/i.test(error.message)) return error
  return new HandshakeError(
    'max-clients',
    `The server at ${where} has reached its limit of connections; raise its maxclients or lower maxConnections`,
    error,
  )
}

function notAccepted(where: string, waitedMs: number): CenoteError {
  return new ConnectionError(
    `Nobody accepted a connection at ${where} within ${waitedMs} ms; check that the address is right, the server runs and no firewall drops packets`,
    { code: NOT_ACCEPTED },
  )
}

function noGreeting(where: string, waitedMs: number): CenoteError {
  return new ConnectionError(
    `${where} accepted a connection and did not answer within ${waitedMs} ms; the server is busy or paused, or it is not a Redis server, or it expects TLS`,
    { code: NO_GREETING },
  )
}

/** Settles internal commands that were lost with their connection. */
export function failAll({ written, unsent }: Leftovers, error: CenoteError): void {
  for (const first of [written, unsent]) {
    for (let command = first; command !== undefined; ) {
      const next: Command | undefined = command.next
      command.fail(error)
      command = next
    }
  }
}
