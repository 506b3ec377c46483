import cluster, { type Worker } from 'node:cluster'
import { Acceptor } from './acceptor.js'
import type { Config } from './config.js'
import { Gatherer } from './gatherer.js'
import { EXIT, type FromPrimary, type FromWorker } from './messages.js'

const RESTART_FIRST_MS = 100
const RESTART_MAX_MS = 10_000
/** A worker that has lived this long has started well: its next crash is a new story. */
const STABLE_MS = 30_000
/** Crashes in a row, before any worker has ever been ready, after which starting again is pointless. */
const GIVE_UP_AFTER = 3

interface Place {
  /** From 1; a replacement takes the place of the one it replaces. */
  readonly number: number
  worker: Worker | undefined
  ready: boolean
  startedAt: number
  crashes: number
  restart: NodeJS.Timeout | undefined
}

export interface Line {
  write(line: string): void
}

/**
 * The primary process: accepts connections and deals them out, keeps as many workers as configured, replaces those that
 * crash, collects their figures, and on SIGTERM or SIGINT lets all of them drain.
 */
export class Workers {
  readonly #config: Config
  readonly #out: Line
  readonly #err: Line
  readonly #places: Place[]
  readonly #acceptor = new Acceptor((socket) => this.#deal(socket))
  readonly #gatherer = new Gatherer(() => this.#connected())
  #turn = 0
  #url = ''
  #everReady = false
  #announced = false
  #state: 'running' | 'leaving' | 'draining' = 'running'
  #status: number = EXIT.ok
  #kill: NodeJS.Timeout | undefined
  readonly #ended: Promise<number>
  #end: (status: number) => void = () => {}

  constructor(config: Config, out: Line = process.stdout, err: Line = process.stderr) {
    this.#config = config
    this.#out = out
    this.#err = err
    this.#places = Array.from({ length: config.workers }, (_, index) => ({
      number: index + 1,
      worker: undefined,
      ready: false,
      startedAt: 0,
      crashes: 0,
      restart: undefined,
    }))
    this.#ended = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  /**
   * Resolves with the exit status once all workers are gone.
   *
   * @throws Error of the system when the port cannot be listened on
   */
  async run(): Promise<number> {
    process.on('SIGTERM', () => this.stop())
    process.on('SIGINT', () => this.stop())
    this.#url = await this.#acceptor.listen(this.#config.port, this.#config.host)
    if (this.#state === 'running') for (const place of this.#places) this.#fork(place)
    return this.#ended
  }

  /** Drains all workers; called again, ends them at once. */
  stop(): void {
    if (this.#state !== 'running') {
      if (this.#status === EXIT.ok) this.#status = EXIT.failed
      for (const { worker } of this.#places) worker?.process.kill('SIGKILL')
      return
    }
    this.#state = 'leaving'
    const { shutdownDelayMs, drainTimeoutMs } = this.#config
    for (const place of this.#places) clearTimeout(place.restart)
    for (const worker of this.#connected()) tell(worker, { type: 'leave' })
    this.#kill = setTimeout(() => this.stop(), shutdownDelayMs + drainTimeoutMs + 5000)
    setTimeout(() => void this.#drain(), shutdownDelayMs)
  }

  /** No worker hears of the drain before the last connection has been dealt: none arrives too late. */
  async #drain(): Promise<void> {
    await this.#acceptor.close()
    this.#state = 'draining'
    for (const place of this.#places) {
      if (place.ready && place.worker?.isConnected()) tell(place.worker, { type: 'drain' })
    }
    this.#endWhenEmpty()
  }

  #deal(socket: Parameters<Worker['send']>[1]): boolean {
    for (let tries = 0; tries < this.#places.length; tries++) {
      this.#turn = (this.#turn + 1) % this.#places.length
      const { worker, ready } = this.#places[this.#turn]!
      if (!ready || worker === undefined || !worker.isConnected()) continue
      tell(worker, { type: 'connection' }, socket)
      return true
    }
    return false
  }

  #connected(): Worker[] {
    return this.#places.flatMap(({ worker }) => (worker?.isConnected() ? [worker] : []))
  }

  #fork(place: Place): void {
    const worker = cluster.fork({ CENOTE_WORKER: String(place.number) })
    place.worker = worker
    place.startedAt = Date.now()
    worker.on('message', (message: FromWorker) => this.#onMessage(place, worker, message))
    worker.on('exit', (code, signal) => this.#onExit(place, code, signal))
    worker.on('error', () => {})
  }

  #onMessage(place: Place, worker: Worker, message: FromWorker): void {
    switch (message.type) {
      case 'ready':
        this.#onReady(place, worker)
        return
      case 'drained':
        if (message.cutOff > 0 && this.#status === EXIT.ok) this.#status = EXIT.failed
        return
      case 'gather':
        this.#gatherer.gather(worker, message.id)
        return
      case 'stats':
        this.#gatherer.add(message.id, message.stats)
    }
  }

  #onReady(place: Place, worker: Worker): void {
    place.ready = true
    this.#everReady = true
    this.#acceptor.flush()
    // One that was still starting when the others were told.
    if (this.#state !== 'running') tell(worker, { type: 'leave' })
    if (this.#state === 'draining') tell(worker, { type: 'drain' })
    if (this.#announced || this.#places.some((each) => !each.ready)) return
    this.#announced = true
    this.#out.write(`auth-server listening on ${this.#url} (${this.#config.workers} workers, pid ${process.pid})\n`)
  }

  #onExit(place: Place, code: number | null, signal: string | null): void {
    place.worker = undefined
    place.ready = false
    if (this.#state !== 'running') {
      if (code !== 0 && this.#status === EXIT.ok) this.#status = EXIT.failed
      this.#endWhenEmpty()
      return
    }
    place.crashes = Date.now() - place.startedAt > STABLE_MS ? 1 : place.crashes + 1
    if (!this.#everReady && (code === EXIT.misconfigured || place.crashes >= GIVE_UP_AFTER)) {
      this.#log('workers end before they are ready, giving up', { worker: place.number })
      this.#status = code === EXIT.misconfigured ? code : EXIT.failed
      this.stop()
      return
    }
    const delay = Math.min(RESTART_MAX_MS, RESTART_FIRST_MS * 2 ** (place.crashes - 1))
    const why = signal === null ? `status ${code}` : signal
    this.#log('worker ended, replacing it', { worker: place.number, reason: why, delayMs: delay })
    place.restart = setTimeout(() => this.#fork(place), delay)
  }

  /** In the shape of the workers' log lines. */
  #log(msg: string, fields: object): void {
    if (this.#config.logLevel === 'silent') return
    this.#err.write(`${JSON.stringify({ level: 50, time: Date.now(), pid: process.pid, ...fields, msg })}\n`)
  }

  #endWhenEmpty(): void {
    if (this.#state !== 'draining' || this.#places.some((place) => place.worker !== undefined)) return
    clearTimeout(this.#kill)
    this.#gatherer.close()
    if (this.#acceptor.abandon() > 0 && this.#status === EXIT.ok) this.#status = EXIT.failed
    this.#end(this.#status)
  }
}

function tell(worker: Worker, message: FromPrimary, socket?: Parameters<Worker['send']>[1]): void {
  // A worker that ends this very moment is noticed by its exit, not by a failed message.
  worker.send(message, socket, undefined, () => {})
}
