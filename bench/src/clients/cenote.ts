import { createPool, type Lease, type PoolOptions, type RedisPool } from 'cenote'
import type { Target } from '../job.js'
import type { BenchClient, ClientNeeds, DedicatedCaller, Hash, ScriptSource, TransactionKeys } from './types.js'
import { sameEntries, sameHash, transactionReplies } from './verify.js'

export function poolOptions(target: Target): PoolOptions {
  const { host, port, tls } = target
  return tls === undefined ? { host, port } : { host, port: tls.port, tls: { ca: tls.ca } }
}

/** Connections up to the minimum come one after the other; a measurement begins with all of them. */
async function makeLeases(pool: RedisPool, count: number): Promise<void> {
  const leases = await Promise.all(Array.from({ length: count }, () => pool.acquire()))
  await Promise.all(leases.map((lease) => lease.release()))
}

/** The most lanes a pool takes. */
const MOST_LANES = 64

/** cenote as it comes. Connections: lanes up to their limit, the rest idle leases; 1 is the default. */
export async function cenote(target: Target, connections: number, needs: ClientNeeds): Promise<BenchClient> {
  const options: PoolOptions = poolOptions(target)
  const lanes = Math.min(connections, MOST_LANES)
  if (lanes > 1) options.lanes = lanes
  if (connections > lanes) options.minConnections = connections - lanes
  // The default budget is meant for development: 20 connections, one of them kept for probes.
  const wanted = connections + needs.dedicated + 1
  if (wanted > 20) options.maxConnections = wanted
  const pool = createPool(options)
  await Promise.all(Array.from({ length: lanes }, () => pool.ping()))
  await makeLeases(pool, connections - lanes)

  const dedicated: DedicatedCaller = {
    blockingPop: async (key, seconds) => {
      const popped = await pool.blpop(key, seconds)
      return popped === null ? null : popped[1]
    },
    watchIncrement: (key) =>
      pool.withConnection(async (lease) => {
        await lease.watch(key)
        const next = Number(await lease.get(key)) + 1
        return sameEntries(await lease.multi().set(key, String(next)).exec(), ['OK'])
      }),
    close: async () => {},
  }

  return {
    get: (key) => pool.get(key),
    set: (key, value) => pool.set(key, value),
    getBuffer: (key) => pool.getBuffer(key),
    setBuffer: (key, value) => pool.set(key, value),
    mget: (keys) => pool.mget(keys),
    lrange: (key) => pool.lrange(key, 0, -1),
    hgetall: async (key: string, expected: Hash) => sameHash(await pool.hgetall(key), expected),
    pipelineGets: async (keys, expected) => {
      const pipeline = pool.pipeline()
      for (const key of keys) pipeline.get(key)
      return sameEntries(await pipeline.exec(), expected)
    },
    transaction: async (keys: TransactionKeys, value, count) => {
      const multi = pool.multi()
      multi.set(keys.value, value)
      multi.get(keys.value)
      multi.incr(keys.counter)
      multi.get(keys.counter)
      multi.strlen(keys.value)
      return sameEntries(await multi.exec(), transactionReplies(value, count))
    },
    script: (source: ScriptSource, key, argument) => pool.evalsha(source.sha, 1, key, argument),
    dedicated: async () => dedicated,
    close: () => pool.close(),
  }
}

/** cenote used as the pools of old are: a lease for each command. Connections: leases and the idle lane together. */
export async function cenoteLeases(target: Target, connections: number): Promise<BenchClient> {
  const leases = connections - 1
  const pool = createPool({ ...poolOptions(target), minConnections: leases, maxConnections: connections + 1 })
  await makeLeases(pool, leases)
  const borrowed = <T>(use: (lease: Lease) => Promise<T>): Promise<T> => pool.withConnection(use)
  const absent = () => Promise.reject(new Error('cenote-leases has GET and SET alone'))
  return {
    get: (key) => borrowed((lease) => lease.get(key)),
    set: (key, value) => borrowed((lease) => lease.set(key, value)),
    getBuffer: absent,
    setBuffer: absent,
    mget: absent,
    lrange: absent,
    hgetall: absent,
    pipelineGets: absent,
    transaction: absent,
    script: absent,
    dedicated: absent,
    close: () => pool.close(),
  }
}
