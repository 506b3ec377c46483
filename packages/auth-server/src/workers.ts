import cluster, { type Worker } from 'node:cluster'
import type { Config } from './config.js'
import type { WorkerStats } from './worker-stats.js'

export type FromPrimary =
  | { readonly type: 'drain' }
  | { readonly type: 'stats'; readonly id: number }
  | { readonly type: 'gathered'; readonly id: number; readonly all: readonly WorkerStats[] }

export type FromWorker =
  | { readonly type: 'listening'; readonly url: string; readonly port: number }
  | { readonly type: 'drained'; readonly cutOff: number }
  | { readonly type: 'gather'; readonly id: number }
  | { readonly type: 'stats'; readonly id: number; readonly stats: WorkerStats | undefined }

const RESTART_FIRST_MS = 100
const RESTART_MAX_MS = 10_000
/** A worker that has lived this long has started well: its next crash is a new story. */
const STABLE_MS = 30_000
/** Crashes in a row, before any worker has ever listened, after which starting again is pointless. */
const GIVE_UP_AFTER = 3
const GATHER_TIMEOUT_MS = 1000

interface Place {
  /** From 1; a replacement takes the place of the one it replaces. */
  readonly number: number
  worker: Worker | undefined
  startedAt: number
  crashes: number
  restart: NodeJS.Timeout | undefined
}

interface Gathering {
  readonly asker: Worker
  readonly askerId: number
  readonly all: WorkerStats[]
  missing: number
  readonly timer: NodeJS.Timeout
}

export interface Line {
  write(line: string): void
}

/**
 * The primary process: keeps as many workers as configured, replaces those that crash, collects their figures, and on
 * SIGTERM or SIGINT lets all of them drain.
 */
export class Workers {
  readonly #config: Config
  readonly #out: Line
  readonly #err: Line
  readonly #places: Place[]
  readonly #gatherings = new Map<number, Gathering>()
  #nextGathering = 0
  #port: number
  #listening = 0
  #announced = false
  #stopping = false
  #cutOff = 0
  #failed = false
  #kill: NodeJS.Timeout | undefined
  readonly #ended: Promise<number>
  #end: (exitCode: number) => void = () => {}

  constructor(config: Config, out: Line = process.stdout, err: Line = process.stderr) {
    this.#config = config
    this.#out = out
    this.#err = err
    this.#port = config.port
    this.#places = Array.from({ length: config.workers }, (_, index) => ({
      number: index + 1,
      worker: undefined,
      startedAt: 0,
      crashes: 0,
      restart: undefined,
    }))
    this.#ended = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  /** Resolves with the exit status once all workers are gone. */
  run(): Promise<number> {
    for (const place of this.#places) this.#fork(place)
    process.on('SIGTERM', () => this.stop())
    process.on('SIGINT', () => this.stop())
    return this.#ended
  }

  /** Drains all workers; called again, ends them at once. */
  stop(): void {
    if (this.#stopping) {
      for (const { worker } of this.#places) worker?.process.kill('SIGKILL')
      return
    }
    this.#stopping = true
    for (const place of this.#places) {
      clearTimeout(place.restart)
      if (place.worker?.isConnected()) place.worker.send({ type: 'drain' } satisfies FromPrimary)
    }
    const patience = this.#config.shutdownDelayMs + this.#config.drainTimeoutMs + 5000
    this.#kill = setTimeout(() => this.stop(), patience)
    this.#endWhenEmpty()
  }

  #fork(place: Place): void {
    // A replacement must listen where the first one did, also when the system chose that port.
    const worker = cluster.fork({ CENOTE_WORKER: String(place.number), PORT: String(this.#port) })
    place.worker = worker
    place.startedAt = Date.now()
    worker.on('message', (message: FromWorker) => this.#onMessage(worker, message))
    worker.on('exit', (code, signal) => this.#onExit(place, code, signal))
    worker.on('error', () => {})
  }

  #onMessage(worker: Worker, message: FromWorker): void {
    switch (message.type) {
      case 'listening':
        this.#port = message.port
        this.#listening++
        // One that was still starting when the others were told to drain.
        if (this.#stopping) worker.send({ type: 'drain' } satisfies FromPrimary)
        if (this.#announced || this.#listening < this.#config.workers) return
        this.#announced = true
        this.#out.write(
          `auth-server listening on ${message.url} (${this.#config.workers} workers, pid ${process.pid})\n`,
        )
        return
      case 'drained':
        this.#cutOff += message.cutOff
        return
      case 'gather':
        this.#gather(worker, message.id)
        return
      case 'stats':
        this.#gathered(message.id, message.stats)
    }
  }

  #onExit(place: Place, code: number | null, signal: string | null): void {
    place.worker = undefined
    if (this.#stopping) {
      if (code !== 0) this.#failed = true
      this.#endWhenEmpty()
      return
    }
    place.crashes = Date.now() - place.startedAt > STABLE_MS ? 1 : place.crashes + 1
    if (this.#listening === 0 && place.crashes >= GIVE_UP_AFTER) {
      this.#err.write('auth-server: workers end before they listen, giving up\n')
      this.#failed = true
      this.stop()
      return
    }
    const delay = Math.min(RESTART_MAX_MS, RESTART_FIRST_MS * 2 ** (place.crashes - 1))
    const why = signal === null ? `status ${code}` : signal
    this.#err.write(`auth-server: worker ${place.number} ended (${why}), replacing it in ${delay} ms\n`)
    place.restart = setTimeout(() => this.#fork(place), delay)
  }

  #endWhenEmpty(): void {
    if (this.#places.some((place) => place.worker !== undefined)) return
    clearTimeout(this.#kill)
    for (const gathering of this.#gatherings.values()) clearTimeout(gathering.timer)
    this.#end(this.#failed || this.#cutOff > 0 ? 1 : 0)
  }

  #gather(asker: Worker, askerId: number): void {
    const workers = this.#places.flatMap(({ worker }) => (worker?.isConnected() ? [worker] : []))
    const id = ++this.#nextGathering
    const timer = setTimeout(() => this.#finishGathering(id), GATHER_TIMEOUT_MS)
    this.#gatherings.set(id, { asker, askerId, all: [], missing: workers.length, timer })
    for (const worker of workers) worker.send({ type: 'stats', id } satisfies FromPrimary)
  }

  #gathered(id: number, stats: WorkerStats | undefined): void {
    const gathering = this.#gatherings.get(id)
    if (gathering === undefined) return
    if (stats !== undefined) gathering.all.push(stats)
    gathering.missing--
    if (gathering.missing === 0) this.#finishGathering(id)
  }

  #finishGathering(id: number): void {
    const gathering = this.#gatherings.get(id)
    if (gathering === undefined) return
    clearTimeout(gathering.timer)
    this.#gatherings.delete(id)
    gathering.all.sort((a, b) => a.worker - b.worker)
    const answer: FromPrimary = { type: 'gathered', id: gathering.askerId, all: gathering.all }
    if (gathering.asker.isConnected()) gathering.asker.send(answer)
  }
}
