import { Redis, type RedisOptions } from 'ioredis'
import type { Target } from '../job.js'
import type { BenchClient, DedicatedCaller, Hash, ScriptSource, TransactionKeys } from './types.js'
import { sameEntries, sameHash, sameList, transactionReplies } from './verify.js'

export async function connectIoredis(target: Target, more: RedisOptions = {}): Promise<Redis> {
  const { host, port, tls } = target
  const place = tls === undefined ? { host, port } : { host, port: tls.port, tls: { ca: tls.ca } }
  const redis = new Redis({ ...place, lazyConnect: true, ...more })
  await redis.connect()
  return redis
}

/** The commands on one ioredis client; shared with the generic pool, whose resources are such clients. */
export function ioredisCommands(redis: Redis): Omit<BenchClient, 'dedicated' | 'close'> {
  return {
    get: (key) => redis.get(key),
    set: (key, value) => redis.set(key, value),
    getBuffer: (key) => redis.getBuffer(key),
    setBuffer: (key, value) => redis.set(key, value),
    mget: (keys) => redis.mget(keys),
    lrange: (key) => redis.lrange(key, 0, -1),
    hgetall: async (key: string, expected: Hash) => sameHash(await redis.hgetall(key), expected),
    pipelineGets: async (keys, expected) => {
      const pipeline = redis.pipeline()
      for (const key of keys) pipeline.get(key)
      return sameEntries(await pipeline.exec(), expected)
    },
    transaction: async (keys: TransactionKeys, value, count) => {
      const multi = redis.multi()
      multi.set(keys.value, value)
      multi.get(keys.value)
      multi.incr(keys.counter)
      multi.get(keys.counter)
      multi.strlen(keys.value)
      return sameEntries(await multi.exec(), transactionReplies(value, count))
    },
    script: (source: ScriptSource, key, argument) => redis.evalsha(source.sha, 1, key, argument),
  }
}

export async function watchIncrement(redis: Redis, key: string): Promise<boolean> {
  await redis.watch(key)
  const next = Number(await redis.get(key)) + 1
  return sameList((await redis.multi().set(key, String(next)).exec())?.[0], [null, 'OK'])
}

export async function blockingPop(redis: Redis, key: string, seconds: number): Promise<string | null> {
  return (await redis.blpop(key, seconds))?.[1] ?? null
}

async function ioredis(target: Target, more: RedisOptions): Promise<BenchClient> {
  const redis = await connectIoredis(target, more)
  return {
    ...ioredisCommands(redis),
    dedicated: async (): Promise<DedicatedCaller> => {
      const own = await connectIoredis(target)
      return {
        blockingPop: (key, seconds) => blockingPop(own, key, seconds),
        watchIncrement: (key) => watchIncrement(own, key),
        close: async () => own.disconnect(),
      }
    },
    close: async () => redis.disconnect(),
  }
}

export const ioredisPlain = (target: Target): Promise<BenchClient> => ioredis(target, {})

export const ioredisAuto = (target: Target): Promise<BenchClient> => ioredis(target, { enableAutoPipelining: true })
