import type { ResolvedOptions } from '../config/options.js'
import type { Connection } from '../connection/connection.js'
import { authenticate } from '../connection/handshake.js'
import { ConnectionError } from '../errors.js'

/** The user and the current password, asked afresh each time when it comes from a function. */
export class Credentials {
  private readonly renewals = new Map<Connection, Promise<void>>()

  constructor(private readonly options: Pick<ResolvedOptions, 'username' | 'password'>) {}

  get given(): boolean {
    return this.options.password !== undefined || this.options.username !== undefined
  }

  /** @throws ConnectionError when the function given as `password` fails */
  async password(): Promise<string | undefined> {
    const { password } = this.options
    if (typeof password !== 'function') return password
    try {
      return await password()
    } catch (cause) {
      throw new ConnectionError('The password function failed, so no connection could be authenticated', { cause })
    }
  }

  /**
   * Authenticates a live connection anew, between its other commands; once for all who ask meanwhile.
   * @throws ReplyError when the server refuses, ConnectionError when the connection is lost
   */
  renew(connection: Connection): Promise<void> {
    const underWay = this.renewals.get(connection)
    if (underWay !== undefined) return underWay
    const renewal = this.authenticate(connection).finally(() => this.renewals.delete(connection))
    this.renewals.set(connection, renewal)
    return renewal
  }

  private async authenticate(connection: Connection): Promise<void> {
    const password = await this.password()
    if (connection.state !== 'ready') return
    const { username } = this.options
    if (username !== undefined) await authenticate(connection, [username, password ?? ''])
    else if (password !== undefined) await authenticate(connection, [password])
  }
}
