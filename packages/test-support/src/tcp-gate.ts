import { createConnection, createServer, type Server, type Socket } from 'node:net'

/** What becomes of the bytes of one connection. */
export type Passage = 'open' | 'silent' | 'refused'

interface Pair {
  readonly from: string
  readonly down: Socket
  readonly up: Socket
}

/**
 * Stands before a server and lets connections through, or not, by where they come from. `silent` swallows bytes and
 * keeps connections open, as a dead path does; `refused` resets them.
 */
export class TcpGate {
  readonly #server: Server
  readonly #pairs = new Set<Pair>()
  readonly target: { readonly host: string; port: number }
  readonly #host: string
  readonly #port: number
  /** Connections accepted so far. */
  accepted = 0
  #rule: (from: string) => Passage = () => 'open'

  private constructor(
    server: Server,
    place: { host: string; port: number },
    target: { readonly host: string; port: number },
  ) {
    this.#server = server
    this.#host = place.host
    this.#port = place.port
    this.target = target
    server.on('connection', (down) => this.#accept(down))
  }

  static async open(
    place: { host: string; port: number },
    target: { readonly host: string; port: number },
  ): Promise<TcpGate> {
    const server = createServer()
    const gate = new TcpGate(server, place, target)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(place.port, place.host, resolve)
    })
    return gate
  }

  get host(): string {
    return this.#host
  }

  get port(): number {
    return this.#port
  }

  /**
   * Judges connections by the address they come from, those that are open included. What was swallowed meanwhile stays
   * lost, so connections that were silent are reset when they may pass again.
   */
  setRule(rule: (from: string) => Passage): void {
    const before = this.#rule
    this.#rule = rule
    for (const pair of this.#pairs) {
      const passage = rule(pair.from)
      if (passage === 'refused' || (passage === 'open' && before(pair.from) !== 'open')) this.#cut(pair)
    }
  }

  /** Resets the connections from there. */
  cut(from: (address: string) => boolean = () => true): void {
    for (const pair of this.#pairs) if (from(pair.from)) this.#cut(pair)
  }

  #cut(pair: Pair): void {
    pair.down.resetAndDestroy()
    pair.up.destroy()
  }

  #accept(down: Socket): void {
    this.accepted++
    const from = down.remoteAddress ?? ''
    down.on('error', () => undefined)
    if (this.#rule(from) === 'refused') {
      down.resetAndDestroy()
      return
    }
    const up = createConnection({ ...this.target, localAddress: from })
    const pair: Pair = { from, down, up }
    this.#pairs.add(pair)
    const pass = (to: Socket) => (chunk: Buffer) => {
      if (this.#rule(from) === 'open' && to.writable) to.write(chunk)
    }
    down.setNoDelay(true)
    up.setNoDelay(true)
    down.on('data', pass(up))
    up.on('data', pass(down))
    up.on('error', () => undefined)
    const end = (other: Socket) => () => {
      this.#pairs.delete(pair)
      // The end of a connection does not get through a dead path either.
      if (this.#rule(from) === 'silent') return
      other.destroy()
    }
    down.once('close', end(up))
    up.once('close', end(down))
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const { down, up } of this.#pairs) {
      down.destroy()
      up.destroy()
    }
    await closed
  }
}
