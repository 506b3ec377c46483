import type { Worker } from 'node:cluster'
import type { FromPrimary } from './messages.js'
import type { WorkerStats } from './worker-stats.js'

const GATHER_TIMEOUT_MS = 1000

interface Gathering {
  readonly asker: Worker
  readonly askerId: number
  readonly all: WorkerStats[]
  missing: number
  readonly timer: NodeJS.Timeout
}

/** Collects the figures of all workers for the one that was asked for them. */
export class Gatherer {
  readonly #workers: () => readonly Worker[]
  readonly #running = new Map<number, Gathering>()
  #next = 0

  constructor(workers: () => readonly Worker[]) {
    this.#workers = workers
  }

  gather(asker: Worker, askerId: number): void {
    const workers = this.#workers()
    const id = ++this.#next
    const timer = setTimeout(() => this.#finish(id), GATHER_TIMEOUT_MS)
    this.#running.set(id, { asker, askerId, all: [], missing: workers.length, timer })
    for (const worker of workers) worker.send({ type: 'stats', id } satisfies FromPrimary, () => {})
  }

  add(id: number, stats: WorkerStats | undefined): void {
    const gathering = this.#running.get(id)
    if (gathering === undefined) return
    if (stats !== undefined) gathering.all.push(stats)
    gathering.missing--
    if (gathering.missing === 0) this.#finish(id)
  }

  close(): void {
    for (const { timer } of this.#running.values()) clearTimeout(timer)
    this.#running.clear()
  }

  #finish(id: number): void {
    const gathering = this.#running.get(id)
    if (gathering === undefined) return
    clearTimeout(gathering.timer)
    this.#running.delete(id)
    gathering.all.sort((a, b) => a.worker - b.worker)
    const answer: FromPrimary = { type: 'gathered', id: gathering.askerId, all: gathering.all }
    if (gathering.asker.isConnected()) gathering.asker.send(answer, () => {})
  }
}
