import genericPool from 'generic-pool'
import type { Redis } from 'ioredis'
import type { Target } from '../job.js'
import { blockingPop, connectIoredis, ioredisCommands, watchIncrement } from './ioredis.js'
import type { BenchClient, DedicatedCaller } from './types.js'

interface Resource {
  readonly redis: Redis
  readonly commands: ReturnType<typeof ioredisCommands>
}

/** generic-pool over ioredis, a connection borrowed for each operation. Connections: its size. */
export async function genericPoolIoredis(target: Target, connections: number): Promise<BenchClient> {
  const pool = genericPool.createPool<Resource>(
    {
      create: async () => {
        const redis = await connectIoredis(target)
        return { redis, commands: ioredisCommands(redis) }
      },
      destroy: async ({ redis }) => redis.disconnect(),
    },
    { min: connections, max: connections },
  )
  await pool.ready()

  async function borrowed<T>(use: (resource: Resource) => Promise<T>): Promise<T> {
    const resource = await pool.acquire()
    try {
      return await use(resource)
    } finally {
      void pool.release(resource)
    }
  }

  const dedicated: DedicatedCaller = {
    blockingPop: (key, seconds) => borrowed(({ redis }) => blockingPop(redis, key, seconds)),
    watchIncrement: (key) => borrowed(({ redis }) => watchIncrement(redis, key)),
    close: async () => {},
  }
  return {
    get: (key) => borrowed(({ redis }) => redis.get(key)),
    set: (key, value) => borrowed(({ redis }) => redis.set(key, value)),
    getBuffer: (key) => borrowed(({ redis }) => redis.getBuffer(key)),
    setBuffer: (key, value) => borrowed(({ redis }) => redis.set(key, value)),
    mget: (keys) => borrowed(({ redis }) => redis.mget(keys)),
    lrange: (key) => borrowed(({ redis }) => redis.lrange(key, 0, -1)),
    hgetall: (key, expected) => borrowed(({ commands }) => commands.hgetall(key, expected)),
    pipelineGets: (keys, expected) => borrowed(({ commands }) => commands.pipelineGets(keys, expected)),
    transaction: (keys, value, count) => borrowed(({ commands }) => commands.transaction(keys, value, count)),
    script: (source, key, argument) => borrowed(({ redis }) => redis.evalsha(source.sha, 1, key, argument)),
    dedicated: async () => dedicated,
    close: async () => {
      await pool.drain()
      await pool.clear()
    },
  }
}
