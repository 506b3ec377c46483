import { Client, type Dispatcher } from 'undici'
import { Fifo } from '../fifo.js'
import type { Call } from './call.js'
import { causeOfError, TIMEOUT } from './causes.js'

export interface TransportOptions {
  /** `http://host:port` or `https://host:port`. */
  readonly origin: string
  /** Upper bound of open sockets; one request at a time on each. */
  readonly sockets: number
  /** A call that has not settled this long after it was handed over fails with `timeout`. */
  readonly timeoutMs: number
}

const SWEEP_MS = 50

/**
 * A fixed number of keep-alive sockets, no pipelining, and a first-come queue for calls that find none free.
 * One undici client per socket: the queue and its waiting time stay visible here, and a socket costs a third less
 * than through undici's own pool and promises.
 */
export class Transport {
  private readonly clients: Client[]
  /** First in, first out: every socket takes its turn, so a server with several workers sees an even load. */
  private readonly free = new Fifo<Client>()
  private readonly queue = new Fifo<Call>()
  private readonly running = new Map<Client, Call>()
  private readonly timeoutMs: number
  private readonly sweeper: NodeJS.Timeout
  private closed = false

  constructor(options: TransportOptions) {
    this.timeoutMs = options.timeoutMs
    this.clients = Array.from(
      { length: options.sockets },
      () =>
        new Client(options.origin, {
          pipelining: 1,
          // The sweeper below is the one deadline; undici's own timers would only add work per request.
          headersTimeout: 0,
          bodyTimeout: 0,
          connect: { timeout: options.timeoutMs },
        }),
    )
    for (const client of this.clients) this.free.push(client)
    this.sweeper = setInterval(() => this.sweep(), SWEEP_MS)
  }

  /** Calls waiting for a socket. */
  get waiting(): number {
    return this.queue.length
  }

  get inFlight(): number {
    return this.running.size
  }

  send(call: Call): void {
    call.queuedAt = performance.now()
    const client = this.free.take()
    if (client === undefined) this.queue.push(call)
    else this.start(client, call)
  }

  /** Destroys every socket. What has not settled by now never will. */
  async close(): Promise<void> {
    this.closed = true
    clearInterval(this.sweeper)
    await Promise.all(this.clients.map((client) => client.destroy()))
  }

  private start(client: Client, call: Call): void {
    this.running.set(client, call)
    call.begin(() => this.release(client))
    try {
      client.dispatch(call.spec as Dispatcher.DispatchOptions, call)
    } catch (error) {
      call.fail(causeOfError(error))
    }
  }

  private release(client: Client): void {
    this.running.delete(client)
    const next = this.closed ? undefined : this.queue.take()
    if (next === undefined) this.free.push(client)
    else this.start(client, next)
  }

  private sweep(): void {
    const oldest = performance.now() - this.timeoutMs
    for (const call of this.running.values()) {
      if (call.queuedAt < oldest && !call.timedOut) call.expire()
    }
    for (let call = this.queue.peek(); call !== undefined && call.queuedAt < oldest; call = this.queue.peek()) {
      this.queue.take()
      call.fail(TIMEOUT)
    }
  }
}
