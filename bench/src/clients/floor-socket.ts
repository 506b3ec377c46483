import net from 'node:net'
import tls from 'node:tls'
import type { Target } from '../job.js'
import { BytesDecoder, type FloorDecoder, type FloorReply, type FloorText, Latin1Decoder } from './floor-codec.js'

let lastResolve: (reply: FloorReply) => void = () => {}
const capture = (resolve: (reply: FloorReply) => void): void => {
  lastResolve = resolve
}

/**
 * The floor: a bare socket with a minimal codec. One promise per command, one write per turn of the event loop, and
 * nothing else: no deadlines, no reconnecting, no errors told apart, no bound on anything. What a client costs on top
 * of this is what its promises cost.
 */
export class FloorSocket {
  private readonly waiting: (((reply: FloorReply) => void) | undefined)[] = []
  private first = 0
  private text = ''
  private scheduled = false
  private readonly decoder: FloorDecoder

  private constructor(
    private readonly socket: net.Socket,
    private readonly encoding: FloorText,
  ) {
    const deliver = (reply: FloorReply) => this.settle(reply)
    this.decoder = encoding === 'latin1' ? new Latin1Decoder(deliver) : new BytesDecoder(deliver, encoding === 'utf8')
  }

  static async open(target: Target, encoding: FloorText): Promise<FloorSocket> {
    const buffer = Buffer.allocUnsafeSlow(64 * 1024)
    const { host, port } = target
    let floor: FloorSocket | undefined
    const onread = {
      buffer,
      callback(length: number, bytes: Uint8Array) {
        floor!.decoder.write(bytes.subarray(0, length) as Buffer)
        return true
      },
    }
    const socket =
      target.tls === undefined
        ? net.connect({ host, port, noDelay: true, onread })
        : tls.connect({ host, port: target.tls.port, ca: target.tls.ca })
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.once(target.tls === undefined ? 'connect' : 'secureConnect', resolve)
    })
    floor = new FloorSocket(socket, encoding)
    if (target.tls !== undefined) {
      socket.setNoDelay(true)
      socket.on('data', (chunk: Buffer) => floor?.decoder.write(chunk))
    }
    // A broken floor must end the measurement, not hang it.
    socket.on('error', (error) => {
      throw error
    })
    return floor
  }

  /** @param encoded a whole command in RESP */
  send(encoded: string): Promise<FloorReply> {
    this.text += encoded
    this.schedule()
    const promise = new Promise<FloorReply>(capture)
    this.waiting.push(lastResolve)
    return promise
  }

  /** A command whose last argument is bytes. */
  sendBytes(head: string, bytes: Buffer): Promise<FloorReply> {
    this.text += head
    this.flush()
    this.socket.write(bytes)
    return this.send('\r\n')
  }

  private schedule(): void {
    if (this.scheduled) return
    this.scheduled = true
    setImmediate(this.flush)
  }

  private readonly flush = (): void => {
    this.scheduled = false
    if (this.text === '') return
    const text = this.text
    this.text = ''
    this.socket.write(text, this.encoding === 'latin1' ? 'latin1' : 'utf8')
  }

  private settle(reply: FloorReply): void {
    const { waiting } = this
    const resolve = waiting[this.first]!
    waiting[this.first++] = undefined
    if (this.first === waiting.length) {
      waiting.length = 0
      this.first = 0
    } else if (this.first === 16_384) {
      waiting.splice(0, this.first)
      this.first = 0
    }
    resolve(reply)
  }

  close(): void {
    this.socket.destroy()
  }
}
