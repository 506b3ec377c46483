import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RedisServer } from '@cenote/test-support'
import { Connection } from './http.js'

const MAIN = join(import.meta.dirname, '../../dist/main.js')

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** The built service as its users run it: a primary process and its workers. */
export class ServiceProcess implements AsyncDisposable {
  readonly dataDir = mkdtempSync(join(tmpdir(), 'cenote-service-'))
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  output = ''
  url = ''
  #onOutput = new Set<() => void>()

  constructor(redis: RedisServer | undefined, env: Record<string, string> = {}) {
    this.child = spawn(process.execPath, [MAIN], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env.PATH,
        PORT: '0',
        DATA_DIR: this.dataDir,
        LOG_LEVEL: 'warn',
        ...(redis === undefined ? {} : { REDIS_URL: redis.url }),
        ...env,
      },
    })
    this.ended = once(this.child, 'exit').then(([code, signal]) => ({ code, signal }) as Ended)
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.output += chunk.toString()
        for (const check of this.#onOutput) check()
      })
    }
  }

  /** Waits for the service to print something; fails if it ends first. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    let check: () => void = () => {}
    const found = new Promise<RegExpExecArray>((resolve) => {
      check = () => {
        const match = pattern.exec(this.output)
        if (match !== null) resolve(match)
      }
      this.#onOutput.add(check)
      check()
    })
    try {
      const first = await Promise.race([found, this.ended])
      if (!('index' in first)) throw new Error(`The service ended before it printed ${pattern}:\n${this.output}`)
      return first
    } finally {
      this.#onOutput.delete(check)
    }
  }

  /** Waits for the service to listen; one that does not is cleared away, as nobody would get hold of it. */
  async listening(): Promise<this> {
    try {
      const match = await this.printed(/listening on (http:\S+)/)
      this.url = match[1] as string
      return this
    } catch (error) {
      await this[Symbol.asyncDispose]()
      throw error
    }
  }

  async workers(): Promise<{ worker: number; pid: number }[]> {
    // A connection of its own, gone afterwards: an idle one would make the drain wait for it.
    const connection = new Connection(this.url)
    try {
      const { body } = await connection.send('GET', '/health/pool')
      return (JSON.parse(body) as { workers: { worker: number; pid: number }[] }).workers
    } finally {
      connection.close()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL')
    await this.ended
    rmSync(this.dataDir, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Whether a process exists. */
export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
