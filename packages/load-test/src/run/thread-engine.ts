import { Worker } from 'node:worker_threads'
import type { EngineDump, EngineHandle, EngineSettings, EngineTick } from '../engine/types.js'

export type EngineMethod = 'login' | 'loop' | 'logout' | 'finish' | 'stop'

export interface EngineRequest {
  readonly id: number
  readonly method: EngineMethod
  readonly startMs?: number
}

export type EngineMessage =
  | { readonly kind: 'tick'; readonly tick: EngineTick }
  | { readonly kind: 'result'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly message: string }

interface Pending {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

/** An engine in a worker thread. A thread that dies fails the run: half the load would be no result. */
export class ThreadEngine implements EngineHandle {
  private readonly worker: Worker
  private readonly pending = new Map<number, Pending>()
  private nextId = 1
  private death: Error | undefined

  constructor(settings: EngineSettings, onTick: (tick: EngineTick) => void) {
    this.worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: settings })
    this.worker.on('message', (message: EngineMessage) => {
      if (message.kind === 'tick') return onTick(message.tick)
      const pending = this.pending.get(message.id)
      this.pending.delete(message.id)
      if (message.kind === 'result') pending?.resolve(message.value)
      else pending?.reject(new Error(message.message))
    })
    this.worker.on('error', (error) => this.die(error))
    this.worker.on('exit', (code) => this.die(new Error(`a load thread ended by itself, code ${code}`)))
  }

  login(): Promise<number> {
    return this.request('login') as Promise<number>
  }

  async loop(startMs: number): Promise<void> {
    await this.request('loop', startMs)
  }

  async logout(): Promise<void> {
    await this.request('logout')
  }

  stop(): void {
    void this.request('stop').catch(() => undefined)
  }

  async finish(): Promise<EngineDump> {
    try {
      return (await this.request('finish')) as EngineDump
    } finally {
      await this.worker.terminate()
    }
  }

  private request(method: EngineMethod, startMs?: number): Promise<unknown> {
    if (this.death !== undefined) return Promise.reject(this.death)
    return new Promise((resolve, reject) => {
      const id = this.nextId++
      this.pending.set(id, { resolve, reject })
      this.worker.postMessage({ id, method, startMs } satisfies EngineRequest)
    })
  }

  private die(error: Error): void {
    this.death ??= error
    for (const pending of this.pending.values()) pending.reject(this.death)
    this.pending.clear()
  }
}
