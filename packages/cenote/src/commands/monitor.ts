import { EventEmitter } from 'node:events'
import type { ResolvedOptions } from '../config/options.js'
import type { Connection } from '../connection/connection.js'
import { sendInternal } from '../connection/internal.js'
import type { CenoteError } from '../errors.js'
import type { Line } from '../node/line.js'
import { nextTick } from '../timers.js'
import type { Core } from './core.js'
import { protectedly } from './foreign.js'

/** One command the server was given, as MONITOR shows it. */
export interface MonitoredCommand {
  /** Server time, seconds since the epoch, as text. */
  readonly time: string
  readonly args: string[]
  /** Address of the client, or `lua`. */
  readonly source: string
  readonly database: string
}

/**
 * A connection of its own on which the server reports every command it is given, as event
 * `monitor(time, args, source, database)`. Comes back after a loss; what happened meanwhile is not reported.
 */
export class Monitor extends EventEmitter implements AsyncDisposable {
  status: 'connecting' | 'monitoring' | 'reconnecting' | 'end' = 'connecting'
  readonly mode = 'monitor'
  private readonly line: Line

  constructor(
    readonly options: ResolvedOptions,
    core: Pick<Core, 'openLine'>,
  ) {
    super()
    const own = { ...options, healthCheckIntervalMs: 0 }
    this.line = core.openLine(
      own,
      {
        onConnecting: () => undefined,
        onReady: (connection) => this.start(connection),
        onLost: (error, willReconnect) => {
          if (!willReconnect) return
          this.fail(error)
          this.move('reconnecting')
        },
        onError: (error) => this.fail(error),
        onPush: (_connection, items) => this.report(items),
      },
      'monitor',
    )
    this.line.connect()
  }

  /** Resolves once the server reports; rejects, and opens nothing, at the first error. */
  static open(options: ResolvedOptions, core: Pick<Core, 'openLine'>): Promise<Monitor> {
    const monitor = new Monitor(options, core)
    return new Promise((resolve, reject) => {
      const onError = (error: Error) => {
        monitor.disconnect()
        reject(error)
      }
      monitor.once('error', onError)
      monitor.once('monitoring', () => {
        monitor.off('error', onError)
        resolve(monitor)
      })
    })
  }

  private start(connection: Connection): void {
    connection.subscriber = true
    sendInternal(connection, 'monitor').then(
      () => this.move('monitoring'),
      (error: CenoteError) => this.fail(error),
    )
  }

  private report(items: unknown[]): void {
    const command = parseMonitorLine(String(items[1]))
    if (command === undefined) return
    protectedly(() => this.emit('monitor', command.time, command.args, command.source, command.database))
  }

  private fail(error: CenoteError): void {
    if (this.listenerCount('error') > 0) protectedly(() => this.emit('error', error))
  }

  private move(status: Monitor['status']): void {
    if (this.status === 'end') return
    this.status = status
    nextTick(() => protectedly(() => this.emit(status)))
  }

  disconnect(): void {
    this.line.destroy()
    if (this.status !== 'end') nextTick(() => protectedly(() => this.emit('close')))
    this.move('end')
  }

  async quit(): Promise<'OK'> {
    this.disconnect()
    return 'OK'
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.disconnect()
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `Monitor [${this.status}]`
  }
}

/** `1339518083.107412 [0 127.0.0.1:60866] "set" "a" "\x00"`; undefined when it is something else. */
export function parseMonitorLine(line: string): MonitoredCommand | undefined {
  const match = /^(\d+\.\d+) \[(\d+) (.*?)\] (".*")$/s.exec(line)
  if (match === null) return undefined
  const [, time, database, source, quoted] = match as unknown as [string, string, string, string, string]
  const args = [...quoted.matchAll(/"((?:[^"\\]|\\.)*)"/gs)].map(([, text]) => unquote(text!))
  return { time, args, source, database }
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', a: '\x07', b: '\b' }

/** The server escapes whatever is not printable ASCII, byte by byte. */
function unquote(text: string): string {
  const latin1 = text.replace(/\\(?:x([0-9a-f]{2})|(.))/gi, (_all, hex: string | undefined, char: string) =>
    hex === undefined ? (ESCAPES[char] ?? char) : String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return Buffer.from(latin1, 'latin1').toString()
}
