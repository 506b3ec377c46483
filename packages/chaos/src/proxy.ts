import { createConnection, createServer, type Server, type Socket } from 'node:net'

/** What is done to one chunk that the server sends; returns what the client gets, in order. */
export type Mangle = (chunk: Buffer, link: Link) => readonly Buffer[]

/** One client's connection through the proxy. */
export class Link {
  /** Bytes that came from the server so far. */
  received = 0
  constructor(
    readonly down: Socket,
    readonly up: Socket,
  ) {}

  /** RST to the client. */
  cut(): void {
    this.down.resetAndDestroy()
    this.up.destroy()
  }
}

/** Stands between a client and a server and does to bytes what networks and middle boxes do to them. */
export class FaultProxy {
  readonly links = new Set<Link>()
  /** Applied to each chunk of replies; undefined lets it pass. */
  mangle: Mangle | undefined
  /** Each direction's delay, ms, asked per chunk. */
  delay: (() => number) | undefined
  /** Accepts nobody while true. */
  refusing = false
  accepted = 0

  private constructor(
    private readonly server: Server,
    /** Where new connections lead. */
    public target: { host: string; port: number },
  ) {
    server.on('connection', (down) => this.accept(down))
  }

  static async open(target: { host: string; port: number }): Promise<FaultProxy> {
    const server = createServer()
    const proxy = new FaultProxy(server, target)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get port(): number {
    return (this.server.address() as { port: number }).port
  }

  private accept(down: Socket): void {
    this.accepted++
    if (this.refusing) {
      down.resetAndDestroy()
      return
    }
    const up = createConnection(this.target)
    const link = new Link(down, up)
    this.links.add(link)
    const toServer = this.sender(up)
    const toClient = this.sender(down)
    down.setNoDelay(true)
    up.setNoDelay(true)
    down.on('data', (chunk) => toServer([chunk]))
    up.on('data', (chunk) => {
      const pieces = this.mangle === undefined ? [chunk] : this.mangle(chunk, link)
      link.received += chunk.length
      toClient(pieces)
    })
    const end = () => {
      this.links.delete(link)
      down.destroy()
      up.destroy()
    }
    for (const socket of [down, up]) {
      socket.on('error', () => undefined)
      socket.on('close', end)
    }
  }

  /** Writes in order, later if there is a delay. */
  private sender(socket: Socket): (pieces: readonly Buffer[]) => void {
    const queue: { readonly dueAt: number; readonly pieces: readonly Buffer[] }[] = []
    let timer: NodeJS.Timeout | undefined
    const drain = (): void => {
      timer = undefined
      while (queue.length > 0 && queue[0]!.dueAt <= performance.now()) {
        for (const piece of queue.shift()!.pieces) if (socket.writable) socket.write(piece)
      }
      if (queue.length > 0) timer = setTimeout(drain, Math.ceil(queue[0]!.dueAt - performance.now()))
    }
    socket.once('close', () => clearTimeout(timer))
    return (pieces) => {
      const dueAt = Math.max(queue.at(-1)?.dueAt ?? 0, performance.now() + (this.delay?.() ?? 0))
      queue.push({ dueAt, pieces })
      if (timer === undefined) drain()
    }
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()))
    for (const link of this.links) {
      link.down.destroy()
      link.up.destroy()
    }
    await closed
  }
}
