import type { Connection } from '../connection/connection.js'
import { sendInternal } from '../connection/handshake.js'
import { isCenoteError, ProtocolError } from '../errors.js'

/** How often a shared connection is checked at most, ms. */
const EVERY_MS = 250
/** And only after so many replies: with few commands under way a shift shows as silence, which the watchdog finds. */
const EVERY_REPLIES = 64

let serial = 0

/**
 * Replies carry no names: when a middle box swallows or doubles one, every later reply reaches the wrong caller and
 * nothing ever looks wrong. So now and then a PING carries a word that its reply must bring back; if it brings anything
 * else, the stream has shifted and the connection is closed.
 */
export class Checkpoint {
  private nextAt = 0
  private nextAnswered = EVERY_REPLIES
  private checked: Connection | undefined
  private waiting = false

  tick(connection: Connection, now: number): void {
    if (this.checked !== connection) this.nextAnswered = connection.answered + EVERY_REPLIES
    this.checked = connection
    if (connection.answered < this.nextAnswered || now < this.nextAt || this.waiting || connection.subscriber) return
    this.nextAt = now + EVERY_MS
    this.nextAnswered = connection.answered + EVERY_REPLIES
    this.waiting = true
    const word = `cenote-${++serial}`
    const done = (): void => {
      this.waiting = false
    }
    sendInternal(connection, 'ping', word)
      .then(
        (reply) => {
          // RESP2 subscriptions answer PING with a pair.
          if (reply !== word && !Array.isArray(reply)) connection.close('protocol-error', shifted())
        },
        (error: unknown) => {
          // A refusal (ACL) proves nothing, and a lost connection has reported itself.
          if (!isCenoteError(error)) throw error
        },
      )
      .finally(done)
  }
}

function shifted(): ProtocolError {
  return new ProtocolError(
    'The replies of the server no longer match the commands; something between here and there swallowed or doubled one',
  )
}
