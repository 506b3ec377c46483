import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'

/** Connections that may wait while no worker is ready; more are closed at once. */
const MAX_WAITING = 1024

/** Under a storm of connections no turn may be quiet; then it is time to go all the same. */
const QUIET_TURNS_TRIED = 200

/** Hands a connection over; false when the taker cannot have it. */
export type Taker = (socket: Socket) => boolean

/**
 * The one listening socket, in the primary process. `cluster`'s own way of sharing a port loses connections when its
 * workers stop listening, and refuses them while the only worker is being replaced; here they wait for the next one.
 */
export class Acceptor {
  readonly #server: Server
  readonly #waiting: Socket[] = []
  readonly #take: Taker
  #accepted = 0

  constructor(take: Taker) {
    this.#take = take
    this.#server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => this.#onConnection(socket))
  }

  /** @throws Error of the system, such as EADDRINUSE */
  async listen(port: number, host: string): Promise<string> {
    this.#server.listen({ port, host, backlog: 1024 })
    await once(this.#server, 'listening')
    const address = this.#server.address() as AddressInfo
    const name = address.family === 'IPv6' ? `[${address.address}]` : address.address
    return `http://${name}:${address.port}`
  }

  /** A taker is ready: serves those who waited for one. */
  flush(): void {
    let socket = this.#waiting[0]
    while (socket !== undefined && this.#take(socket)) {
      this.#waiting.shift()
      socket = this.#waiting[0]
    }
  }

  /**
   * Stops listening. The system resets connections it has completed and nobody has accepted, so this waits for a turn of
   * the event loop that brought none: what arrives in the microseconds after it is all that can be lost.
   */
  async close(): Promise<void> {
    for (let turn = 0; turn < QUIET_TURNS_TRIED; turn++) {
      const before = this.#accepted
      await new Promise((resolve) => setImmediate(resolve))
      if (this.#accepted === before && turn > 0) break
    }
    this.#server.close()
  }

  /** Nobody will ever take those who still wait. */
  abandon(): number {
    for (const socket of this.#waiting) socket.destroy()
    return this.#waiting.splice(0).length
  }

  #onConnection(socket: Socket): void {
    this.#accepted++
    socket.on('error', () => {})
    if (this.#waiting.length === 0 && this.#take(socket)) return
    if (this.#waiting.length < MAX_WAITING) this.#waiting.push(socket)
    else socket.destroy()
  }
}
