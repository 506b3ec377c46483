import net from 'node:net'
import tls from 'node:tls'
import { ConnectionError } from '../errors.js'

/** Where a server listens: a Unix socket when `path` is set, otherwise TCP. */
export interface Endpoint {
  readonly host: string
  readonly port: number
  readonly path?: string | undefined
  /** What `host` was resolved to; `host` stays the name that certificates are checked against. */
  readonly address?: string | undefined
}

export function describeEndpoint(endpoint: Endpoint): string {
  if (endpoint.path !== undefined) return endpoint.path
  return endpoint.host.includes(':') ? `[${endpoint.host}]:${endpoint.port}` : `${endpoint.host}:${endpoint.port}`
}

export interface SocketOptions {
  /** TLS options as of `tls.connect`; `true` for the defaults. Undefined: plain TCP. */
  readonly tls?: tls.ConnectionOptions | true | undefined
  /** Idle time before the kernel probes the peer, ms. 0 switches it off. */
  readonly keepAliveMs: number
  /** 4 or 6 to resolve names to that family only, 0 for either. */
  readonly family: number
  readonly noDelay: boolean
}

/** What a connection needs to know of its socket. Bytes handed over are valid only during the call. */
export interface SocketEvents {
  /** Somebody took the connection; with TLS its handshake follows. */
  onAccepted(): void
  onConnect(): void
  onBytes(bytes: Buffer): void
  onDrain(): void
  /** By an error, or without one by the other side; may be told more than once. */
  onClosed(error: Error | undefined): void
}

const READ_BUFFER_BYTES = 128 * 1024
/** Reading and decoding happen within one callback, so all sockets can read into the same memory. On Windows reads are started ahead of time and would overlap. */
const sharedReadBuffer = process.platform === 'win32' ? undefined : Buffer.allocUnsafeSlow(READ_BUFFER_BYTES)
const readBuffer = (): Buffer => sharedReadBuffer ?? Buffer.allocUnsafeSlow(16 * 1024)

/** Above this many unsent bytes a socket counts as blocked until it drains. */
export const SOCKET_HIGH_WATER_BYTES = 256 * 1024

/** Opens a socket; names are resolved afresh on each call. */
export function openSocket(endpoint: Endpoint, options: SocketOptions, events: SocketEvents): net.Socket {
  const socket = options.tls === undefined ? openPlain(endpoint, options, events) : openTls(endpoint, options, events)
  socket.on('drain', () => events.onDrain())
  // Told at once: the socket is closed a phase of the event loop later, and until then would be written to.
  socket.on('error', (error) => events.onClosed(error))
  socket.on('end', () => {
    socket.destroy()
    events.onClosed(undefined)
  })
  socket.on('close', () => events.onClosed(undefined))
  return socket
}

function connectOptions(endpoint: Endpoint, options: SocketOptions): net.NetConnectOpts {
  if (endpoint.path !== undefined) return { path: endpoint.path }
  return {
    host: endpoint.address ?? endpoint.host,
    port: endpoint.port,
    noDelay: options.noDelay,
    keepAlive: options.keepAliveMs > 0,
    keepAliveInitialDelay: options.keepAliveMs,
    ...(options.family === 0 ? {} : { family: options.family }),
  }
}

function openPlain(endpoint: Endpoint, options: SocketOptions, events: SocketEvents): net.Socket {
  const buffer = readBuffer()
  const socket = net.connect({
    ...connectOptions(endpoint, options),
    writableHighWaterMark: SOCKET_HIGH_WATER_BYTES,
    onread: {
      buffer,
      callback(length: number, bytes: Uint8Array) {
        events.onBytes((length === bytes.length ? bytes : bytes.subarray(0, length)) as Buffer)
        return true
      },
    },
  } as unknown as net.NetConnectOpts)
  socket.once('connect', () => {
    events.onAccepted()
    events.onConnect()
  })
  return socket
}

function openTls(endpoint: Endpoint, options: SocketOptions, events: SocketEvents): net.Socket {
  const settings = options.tls === true ? {} : options.tls
  const servername = endpoint.path === undefined && net.isIP(endpoint.host) === 0 ? { servername: endpoint.host } : {}
  const socket = tls.connect({
    ...connectOptions(endpoint, options),
    ...servername,
    ...settings,
  } as tls.ConnectionOptions)
  socket.once('connect', () => events.onAccepted())
  socket.once('secureConnect', () => {
    socket.setNoDelay(options.noDelay)
    events.onConnect()
  })
  socket.on('data', (bytes: Buffer) => events.onBytes(bytes))
  return socket
}

/** What a socket's end means for its commands; without an error the server hung up. */
export function socketError(endpoint: Endpoint, error: Error | undefined): ConnectionError {
  const where = describeEndpoint(endpoint)
  if (error === undefined) return new ConnectionError(`The server at ${where} closed the connection`)
  const code = (error as NodeJS.ErrnoException).code
  return new ConnectionError(`Connection to ${where} failed: ${code ?? error.message}`, { cause: error })
}
