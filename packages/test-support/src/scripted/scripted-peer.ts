import { createServer, type Server, type Socket } from 'node:net'
import { freePort } from '../free-port.js'

/** One accepted connection of a scripted peer. */
export class PeerConnection {
  readonly #socket: Socket
  #unread: Buffer = Buffer.alloc(0)
  #wake: (() => void) | undefined
  #closed = false
  /** Settles when the connection is gone, whoever ended it. */
  readonly closed: Promise<void>

  constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => {
      this.#unread = Buffer.concat([this.#unread, chunk])
      this.#wake?.()
    })
    socket.on('error', () => {})
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#closed = true
        this.#wake?.()
        resolve()
      })
    })
  }

  /** Bytes received and not yet read by the script. */
  get unread(): Buffer {
    return this.#unread
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** @throws Error when the connection ends before that many bytes arrive */
  async read(length: number): Promise<Buffer> {
    await this.#until(() => this.#unread.length >= length, `${length} bytes`)
    return this.#take(length)
  }

  /** Reads up to and including `marker`. */
  async readUntil(marker: string | Buffer): Promise<Buffer> {
    await this.#until(() => this.#unread.includes(marker), JSON.stringify(marker.toString()))
    return this.#take(this.#unread.indexOf(marker) + Buffer.byteLength(marker))
  }

  /** Reads one command as clients send it: an array of bulk strings. */
  async readCommand(): Promise<string[]> {
    const header = (await this.readUntil('\r\n')).toString()
    if (!/^\*\d+\r\n$/.test(header)) throw new Error(`Not the head of a command: ${JSON.stringify(header)}`)
    const args: string[] = []
    for (let left = Number(header.slice(1)); left > 0; left--) {
      const length = Number((await this.readUntil('\r\n')).toString().slice(1))
      args.push((await this.read(length + 2)).toString('utf8', 0, length))
    }
    return args
  }

  /**
   * Plays a healthy server's part until the first command outside the handshake, and returns that command.
   * @param protocol 2 refuses HELLO as Redis 5 does
   */
  async handshake(protocol: 2 | 3 = 3): Promise<string[]> {
    while (true) {
      const command = await this.readCommand()
      const name = command[0]?.toUpperCase()
      if (name === 'HELLO' && protocol === 3) {
        this.write('%3\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.0.0\r\n$5\r\nproto\r\n:3\r\n')
      } else if (name === 'HELLO') this.write("-ERR unknown command 'HELLO'\r\n")
      else if (name === 'AUTH' || name === 'SELECT' || name === 'CLIENT') this.write('+OK\r\n')
      else return command
    }
  }

  /** Answers every further command by `reply` (bytes; undefined stays silent) until the connection ends. */
  async serve(reply: (command: string[]) => string | Buffer | undefined): Promise<void> {
    while (!this.#closed) {
      const command = await this.readCommand().catch(() => undefined)
      if (command === undefined) return
      const bytes = reply(command)
      if (bytes !== undefined) this.write(bytes)
    }
  }

  write(bytes: string | Buffer): void {
    if (!this.#closed) this.#socket.write(bytes)
  }

  /** Writes in pieces that arrive one by one: each is handed to the kernel alone, a turn of the event loop apart. */
  async writeInPieces(bytes: string | Buffer, pieceLength = 1): Promise<void> {
    const whole = Buffer.from(bytes as string)
    for (let at = 0; at < whole.length && !this.#closed; at += pieceLength) {
      await new Promise<void>((resolve) => this.#socket.write(whole.subarray(at, at + pieceLength), () => resolve()))
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** Stops reading: the other side's writes fill the kernel's buffers and then block. */
  stopReading(): void {
    this.#socket.pause()
  }

  /** Sends FIN after what was written. */
  end(): void {
    this.#socket.end()
  }

  /** Sends RST: the other side sees ECONNRESET. */
  reset(): void {
    this.#socket.resetAndDestroy()
  }

  #take(length: number): Buffer {
    const taken = this.#unread.subarray(0, length)
    this.#unread = this.#unread.subarray(length)
    return taken
  }

  async #until(condition: () => boolean, what: string): Promise<void> {
    while (!condition()) {
      if (this.#closed) throw new Error(`The connection ended while the script waited for ${what}`)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}

export type PeerScript = (connection: PeerConnection) => unknown

/** A TCP server that says exactly what its script tells it to, for what a real Redis will not do on demand. */
export class ScriptedPeer {
  readonly host = '127.0.0.1'
  /** Every connection accepted so far, in order. */
  readonly connections: PeerConnection[] = []
  /** What scripts threw, except by their connection's end; `stop()` throws the first. */
  readonly failures: unknown[] = []
  readonly #server: Server
  readonly #scripts: readonly PeerScript[]
  readonly #waiting: ((connection: PeerConnection) => void)[] = []
  #taken = 0

  constructor(server: Server, scripts: readonly PeerScript[]) {
    this.#server = server
    this.#scripts = scripts
    server.on('connection', (socket) => this.#accept(socket))
  }

  get port(): number {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('This peer has been stopped')
    return address.port
  }

  get url(): string {
    return `redis://${this.host}:${this.port}`
  }

  /** The next connection not yet handed out by this method, now or when it comes. */
  nextConnection(): Promise<PeerConnection> {
    const ready = this.connections[this.#taken++]
    if (ready) return Promise.resolve(ready)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  async stop(): Promise<void> {
    const stopped = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const connection of this.connections) connection.reset()
    await Promise.all([stopped, ...this.connections.map((connection) => connection.closed)])
    if (this.failures.length > 0) throw this.failures[0]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #accept(socket: Socket): void {
    const connection = new PeerConnection(socket)
    const script = this.#scripts[Math.min(this.connections.length, this.#scripts.length - 1)]
    this.connections.push(connection)
    this.#waiting.shift()?.(connection)
    if (script === undefined) return
    Promise.resolve(connection)
      .then(script)
      .catch((error) => {
        if (!connection.isClosed) this.failures.push(error)
      })
  }
}

/**
 * Starts a scripted peer on a free port. The first script plays the first connection and so on; the last one plays all
 * that follow. Without a script connections are accepted and left in silence; drive them through `nextConnection()`.
 */
export async function scriptedPeer(...scripts: PeerScript[]): Promise<ScriptedPeer> {
  const server = createServer({ allowHalfOpen: true })
  const peer = new ScriptedPeer(server, scripts)
  const port = await freePort(peer.host)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, peer.host, resolve)
  })
  return peer
}
