import type { ResolvedOptions } from '../config/options.js'
import type { LoopClock } from '../connection/clock.js'
import { Connection, type ConnectionOwner, type ReplyObserver } from '../connection/connection.js'
import { type Greeting, HandshakeError, performHandshake } from '../connection/handshake.js'
import type { Endpoint } from '../connection/socket.js'
import { type CenoteError, ConnectionError } from '../errors.js'
import { describeWithAddress } from './address.js'
import { failAll } from './leftovers.js'

/** Code of a dial that somebody accepted and ended without a word. */
export const HUNG_UP = 'CENOTE_HUNG_UP'

/** What becomes of an attempt; `ready` or `failed` comes once, unless it is given up. */
export interface AttemptEvents {
  accepted(): void
  ready(greeting: Greeting): void
  failed(error: CenoteError): void
}

/** One socket on its way to be a connection. */
export class Attempt {
  readonly connection: Connection
  readonly where: string
  /** The server has said that it is loading its data. */
  loading = false
  /** The socket is open, and TLS done if there is any: what is said is heard. */
  connected = false
  private accepted = false
  private closedBy: string | undefined

  /** @throws Error when the settings are unusable, a broken key for instance */
  constructor(
    endpoint: Endpoint,
    private readonly options: ResolvedOptions,
    private readonly password: string | undefined,
    clock: LoopClock,
    observer: ReplyObserver,
  ) {
    this.where = describeWithAddress(endpoint)
    this.connection = new Connection(
      endpoint,
      { tls: options.tls, keepAliveMs: options.keepAlive, family: options.family, noDelay: options.noDelay },
      { mapping: options.replyMapping, stringNumbers: options.stringNumbers },
      clock,
      observer,
      nobody,
    )
  }

  /** Accepted, greeted, and then the other side hung up without a word. */
  get wasHungUpOn(): boolean {
    return this.accepted && this.closedBy === 'server-closed' && this.connection.bytesRead === 0
  }

  get usesTls(): boolean {
    return this.options.tls !== undefined
  }

  run(events: AttemptEvents): void {
    const { connection, options } = this
    connection.owner = {
      ...nobody,
      onClosed: (_connection, reason, error, leftovers) => {
        this.closedBy = reason
        failAll(leftovers, error)
        events.failed(this.explain(error))
      },
    }
    connection.whenAccepted(() => {
      this.accepted = true
      events.accepted()
    })
    connection.whenConnected(() => {
      this.connected = true
      performHandshake(
        connection,
        {
          protocol: options.protocol,
          username: options.username,
          password: this.password,
          database: options.db,
          connectionName: options.connectionName,
          setInfo: !options.disableClientInfo,
          infoTag: options.clientInfoTag,
          readOnly: options.readOnly,
        },
        () => {
          this.loading = true
        },
      ).then(events.ready, (error: CenoteError) => {
        // Closed meanwhile, it has failed already.
        if (connection.state === 'closed') return
        connection.owner = nobody
        connection.close('handshake-failed', error)
        events.failed(error)
      })
    })
  }

  giveUp(): void {
    this.connection.owner = nobody
    this.connection.close('connect-timeout', new ConnectionError('The dial was given up'))
  }

  private explain(error: CenoteError): CenoteError {
    if (error instanceof HandshakeError) return error
    if (/max number of clients/i.test(error.message)) {
      // A server at its limit says so and hangs up, sometimes before our greeting was sent.
      return new HandshakeError(
        'max-clients',
        `The server at ${this.where} has reached its limit of connections; raise its maxclients or lower maxConnections`,
        error,
      )
    }
    const cause = error.cause as NodeJS.ErrnoException | undefined
    if (this.options.tls !== undefined && this.accepted && cause !== undefined) return this.explainTls(error, cause)
    if (this.accepted && this.connection.bytesRead === 0 && this.closedBy !== 'pool-closed') {
      const how = cause?.code === undefined ? '' : ` (${cause.code})`
      return new ConnectionError(
        `${this.where} accepted a connection and hung up on the greeting${how}; it is no Redis server, or expects TLS, or is shutting down`,
        { code: HUNG_UP, cause: cause ?? error },
      )
    }
    return error
  }

  private explainTls(error: CenoteError, cause: NodeJS.ErrnoException): CenoteError {
    const code = cause.code ?? ''
    // What a server that speaks plain RESP says looks like a TLS record of an impossible version or length.
    if (/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|UNEXPECTED_MESSAGE|EPROTO/.test(code)) {
      return noTls(this.where, error)
    }
    if (/^ECONN|^EPIPE/.test(code)) {
      return new ConnectionError(
        `${this.where} accepted a connection and hung up on the TLS handshake (${code}); it does not speak TLS, or wants a client certificate, or is shutting down`,
        { cause },
      )
    }
    return new HandshakeError('tls', `TLS with ${this.where} failed: ${cause.message} (${code}); check tls`, error)
  }
}

export function noTls(where: string, cause?: CenoteError): CenoteError {
  const text = `${where} does not speak TLS; use redis:// instead of rediss://, or its TLS port`
  return new HandshakeError('tls', text, cause)
}

/** Owner of a connection that nobody wants any more, or not yet. */
const nobody: ConnectionOwner = {
  onErrorReply: (_connection, command, error) => command.fail(error),
  onPush: () => undefined,
  onClosed: (_connection, _reason, error, leftovers) => failAll(leftovers, error),
  onUntrusted: () => false,
}
