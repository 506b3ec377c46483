import type { Connection } from '../connection/connection.js'
import { sendInternal } from '../connection/handshake.js'
import { ConnectionError } from '../errors.js'

const TIMEOUT_MS = 1_000
/** From then on the waiter is served by whatever comes first: the answer, a returned connection, a new one. */
const PATIENCE_MS = 50

/**
 * Asks an idle connection for a sign of life; it is closed when none comes. Calls `impatient` when the answer takes
 * long enough that a new connection may be quicker, and `dead` before it closes.
 */
export async function signOfLife(connection: Connection, impatient: () => void, dead: () => void): Promise<void> {
  const impatience = setTimeout(impatient, PATIENCE_MS)
  const timer = setTimeout(() => {
    connection.close('health-check', new ConnectionError('An idle connection gave no sign of life'))
    dead()
  }, TIMEOUT_MS)
  try {
    await sendInternal(connection, 'ping')
  } catch {
    // A refusal (ACL) is a sign of life; a lost connection has reported itself.
  } finally {
    clearTimeout(impatience)
    clearTimeout(timer)
  }
}
