import { type EventEmitter, once } from 'node:events'
import { leakCheckEachTest, type RedisServer, startRedis } from '@cenote/test-support'
import { type PoolOptions, RedisPool } from 'cenote'
import { Redis, type RedisOptions } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe } from 'vitest'

/** A server for the whole file, emptied after each test. */
export function useServer(): () => RedisServer {
  let server: RedisServer | undefined
  beforeAll(async () => {
    server = await startRedis()
  })
  afterEach(async () => {
    await server?.command('FLUSHALL')
  })
  afterAll(() => server?.stop())
  return () => server!
}

const opened = new Set<{ disconnect(): void; status: string }>()

/** Whatever a test opens with these is closed after it. */
export function closeAfterEach(): void {
  afterEach(async () => {
    for (const client of opened) client.disconnect()
    opened.clear()
  })
}

export function track<T extends { disconnect(): void; status: string }>(client: T): T {
  opened.add(client)
  return client
}

export function openPool(server: RedisServer, options: PoolOptions = {}): RedisPool {
  return track(new RedisPool({ port: server.port, host: server.host, ...options }))
}

/** A client as ioredis types it; both implementations are driven through this. */
export type Make = (options?: RedisOptions) => Redis

/**
 * Runs the same promises against this package and against ioredis, so that what is expected here is what ioredis does.
 */
export function onBoth(name: string, server: () => RedisServer, tests: (make: Make, isCenote: boolean) => void): void {
  const address = () => ({ port: server().port, host: server().host })
  describe(`${name}, on cenote`, () => {
    leakCheckEachTest({ beforeEach, afterEach })
    closeAfterEach()
    tests((options) => track(new RedisPool({ ...address(), ...(options as PoolOptions) })) as unknown as Redis, true)
  })
  describe(`${name}, on ioredis`, () => {
    closeAfterEach()
    tests((options) => {
      const client = track(new Redis({ ...address(), ...options }))
      client.on('error', () => undefined)
      return client
    }, false)
  })
}

/** @throws Error when the client ends before it is ready */
export async function ready(client: EventEmitter & { status: string }): Promise<void> {
  if (client.status === 'ready') return
  const stop = new AbortController()
  const { signal } = stop
  const [event] = await Promise.race([
    once(client, 'ready', { signal }).then(() => ['ready']),
    once(client, 'end', { signal }).then(() => ['end']),
  ])
  stop.abort()
  if (event === 'end') throw new Error('The client ended before it was ready')
}

export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
