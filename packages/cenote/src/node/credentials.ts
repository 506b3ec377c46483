import type { ResolvedOptions } from '../config/options.js'
import type { Connection } from '../connection/connection.js'
import { sendInternal } from '../connection/handshake.js'
import { ConnectionError } from '../errors.js'

/** The user and the current password, asked afresh each time when it comes from a function. */
export class Credentials {
  constructor(private readonly options: ResolvedOptions) {}

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
   * Authenticates a live connection anew, between its other commands.
   * @throws ReplyError when the server refuses
   */
  async renew(connection: Connection): Promise<void> {
    const password = await this.password()
    if (password === undefined || connection.state !== 'ready') return
    const { username } = this.options
    await sendInternal(connection, 'auth', ...(username === undefined ? [password] : [username, password]))
  }
}
