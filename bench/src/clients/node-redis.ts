import { createClient, createClientPool, RESP_TYPES } from 'redis'
import type { Target } from '../job.js'
import type { BenchClient, DedicatedCaller, Hash, ScriptSource, TransactionKeys } from './types.js'
import { sameHash, sameList, transactionReplies } from './verify.js'

const AS_BUFFERS = { [RESP_TYPES.BLOB_STRING]: Buffer } as const

function socketOptions({ host, port, tls }: Target) {
  return tls === undefined ? { host, port } : { host, port: tls.port, tls: true as const, ca: tls.ca }
}

const newClient = (target: Target) => createClient({ socket: socketOptions(target) })
type Client = ReturnType<typeof newClient>
const newPool = (target: Target, size: number) =>
  createClientPool({ socket: socketOptions(target) }, { minimum: size, maximum: size, acquireTimeout: 30_000 })
type Pool = ReturnType<typeof newPool>

/** What one client and the pool have in common, under the same names. */
function commands(redis: Client | Pool): Omit<BenchClient, 'dedicated' | 'close'> {
  const buffers = redis.withTypeMapping(AS_BUFFERS)
  return {
    get: (key) => redis.get(key),
    set: (key, value) => redis.set(key, value),
    getBuffer: (key) => buffers.get(key),
    setBuffer: (key, value) => redis.set(key, value),
    mget: (keys) => redis.mGet(keys),
    lrange: (key) => redis.lRange(key, 0, -1),
    hgetall: async (key: string, expected: Hash) => sameHash(await redis.hGetAll(key), expected),
    pipelineGets: async (keys, expected) => {
      const multi = redis.multi()
      for (const key of keys) multi.get(key)
      return sameList(await multi.execAsPipeline(), expected)
    },
    transaction: async (keys: TransactionKeys, value, count) => {
      const multi = redis.multi()
      multi.set(keys.value, value)
      multi.get(keys.value)
      multi.incr(keys.counter)
      multi.get(keys.counter)
      multi.strLen(keys.value)
      return sameList(await multi.exec(), transactionReplies(value, count))
    },
    script: (source: ScriptSource, key, argument) => redis.evalSha(source.sha, { keys: [key], arguments: [argument] }),
  }
}

async function watchIncrement(redis: Client, key: string): Promise<boolean> {
  await redis.watch(key)
  const next = Number(await redis.get(key)) + 1
  return sameList(await redis.multi().set(key, String(next)).exec(), ['OK'])
}

export async function nodeRedis(target: Target): Promise<BenchClient> {
  const redis = newClient(target)
  redis.on('error', () => {})
  await redis.connect()
  return {
    ...commands(redis),
    dedicated: async (): Promise<DedicatedCaller> => {
      const own = redis.duplicate()
      own.on('error', () => {})
      await own.connect()
      return {
        blockingPop: async (key, seconds) => (await own.blPop(key, seconds))?.element ?? null,
        watchIncrement: (key) => watchIncrement(own, key),
        close: async () => own.destroy(),
      }
    },
    close: async () => redis.destroy(),
  }
}

/** `createClientPool`; connections: its size. */
export async function nodeRedisPool(target: Target, connections: number): Promise<BenchClient> {
  const pool = newPool(target, connections)
  pool.on('error', () => {})
  await pool.connect()
  const dedicated: DedicatedCaller = {
    blockingPop: async (key, seconds) => (await pool.blPop(key, seconds))?.element ?? null,
    watchIncrement: (key) => pool.execute((client) => watchIncrement(client as unknown as Client, key)),
    close: async () => {},
  }
  return {
    ...commands(pool),
    dedicated: async () => dedicated,
    close: async () => pool.destroy(),
  }
}
