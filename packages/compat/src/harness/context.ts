import assert from 'node:assert/strict'
import type { PoolOptions } from 'cenote'
import { Redis, type RedisOptions } from 'ioredis'

/** What is handed to the library: ioredis itself, a pool, or a pool that is an instance of the application's Redis. */
export const CLIENTS = ['ioredis', 'cenote', 'cenote/ioredis'] as const
export type ClientName = (typeof CLIENTS)[number]

export type Run = (context: Context) => Promise<void>

export interface Scenario {
  /** The library with its major version, as printed in the table. */
  readonly library: string
  /** Imports the library, which is why it is not done before it is wanted. */
  readonly load: () => Promise<Run>
  /** What keeps the library from taking just any object, so that a plain pool, or ioredis itself, is not for it. */
  readonly needs?: 'instanceof' | 'class Redis'
  /** The whole scenario may take this long, ms. Default 15,000. */
  readonly timeoutMs?: number
  /** Too slow for the test suite; part of `npm run compat` only. */
  readonly slow?: boolean
}

/** What a scenario gets: clients of the kind under test and a second pair of eyes on the server. */
export class Context {
  readonly #made: Redis[] = []
  readonly #witness: Redis

  constructor(
    readonly kind: ClientName,
    readonly port: number,
    private readonly make: (options: RedisOptions) => Redis,
  ) {
    this.#witness = new Redis({ port, host: '127.0.0.1', connectionName: 'witness' })
  }

  /** A client as the application would make it; closed at the end if the library has not closed it. */
  client(options: RedisOptions = {}): Redis {
    const all = { host: '127.0.0.1', port: this.port, ...options }
    const client = this.make(all)
    this.#made.push(client)
    return client
  }

  /** An independent connection that sees what the server holds. */
  get server(): Redis {
    return this.#witness
  }

  /** Resolves when `check` does not throw any more; the last failure is the reason when it never does. */
  async until(check: () => unknown, timeoutMs = 5_000): Promise<void> {
    const end = performance.now() + timeoutMs
    for (;;) {
      try {
        await check()
        return
      } catch (error) {
        if (performance.now() > end) throw error
      }
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  /** Closes what the scenario left open, then looks for connections and keys that should not be there. */
  async close(): Promise<void> {
    await Promise.all(this.#made.map(async (client) => client.status === 'end' || client.quit().catch(() => undefined)))
    await this.until(async () => {
      const others = String(await this.#witness.client('LIST'))
        .trim()
        .split('\n')
        .filter((line) => !line.includes('name=witness'))
      assert.deepEqual(others, [], 'connections left behind')
    })
    assert.deepEqual(await this.#witness.keys('*'), [], 'keys left behind')
    await this.#witness.quit()
  }
}

/** How a client is made. Nothing of the pool is loaded while ioredis is under test. */
export async function makerOf(kind: ClientName): Promise<(options: RedisOptions) => Redis> {
  if (kind === 'ioredis') return (options) => new Redis(options)
  if (kind === 'cenote/ioredis') {
    const { poolFor } = await import('cenote/ioredis')
    return (options) => poolFor(Redis, options as PoolOptions)
  }
  const { createPool } = await import('cenote')
  // The types differ, because ioredis' class is nominal; that the shape does not is what is under test.
  return (options) => createPool(options as PoolOptions) as unknown as Redis
}

/** Resolves with the arguments of the next call of the function it returns. */
export function called<T extends unknown[]>(): { promise: Promise<T>; fn: (...args: T) => void } {
  let fn!: (...args: T) => void
  const promise = new Promise<T>((resolve) => {
    fn = (...args) => resolve(args)
  })
  return { promise, fn }
}
