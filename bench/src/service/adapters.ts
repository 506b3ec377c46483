import { fromPool, type RedisLike } from '@cenote/auth-server'
import { createPool } from 'cenote'
import genericPool from 'generic-pool'
import type { Redis } from 'ioredis'
import { createClientPool } from 'redis'
import { poolOptions } from '../clients/cenote.js'
import { parseClient } from '../clients/index.js'
import { connectIoredis } from '../clients/ioredis.js'
import type { Target } from '../job.js'

type Commands = Pick<RedisLike, 'hmget' | 'del' | 'evalsha' | 'eval'>

/** The service asks its client for figures that peers do not have; none of them matters to session checks. */
function withFigures(commands: Commands, connections: number, close: () => Promise<void>): RedisLike {
  return {
    ...commands,
    stats: () => ({
      connections: { total: connections, max: connections, leased: 0, idle: 0, lanes: 0, dialing: 0 },
      waiters: 0,
      utilization: 0,
      commands: { ok: 0, rejected: 0, notSent: 0, unknown: 0, retried: 0, inFlight: 0, queued: 0 },
      acquireTimeouts: 0,
      latency: { mean: 0, p50: 0, p95: 0, p99: 0 },
      loopLagMs: 0,
    }),
    health: async () => ({ status: 'healthy', reasons: [], latencyMs: undefined, lastError: undefined }),
    close,
  }
}

function ioredisCommands(redis: Redis): Commands {
  return {
    hmget: (key, ...fields) => redis.hmget(key, ...fields),
    del: (key) => redis.del(key),
    evalsha: (sha, keys, ...rest) => redis.evalsha(sha, keys, ...rest),
    eval: (script, keys, ...rest) => redis.eval(script, keys, ...rest),
  }
}

async function ioredisAuto(target: Target): Promise<RedisLike> {
  const redis = await connectIoredis(target, { enableAutoPipelining: true })
  return withFigures(ioredisCommands(redis), 1, async () => redis.disconnect())
}

async function genericPoolIoredis(target: Target, size: number): Promise<RedisLike> {
  const factory = { create: () => connectIoredis(target), destroy: async (redis: Redis) => redis.disconnect() }
  const pool = genericPool.createPool(factory, { min: size, max: size })
  await pool.ready()
  async function borrowed<T>(use: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = await pool.acquire()
    try {
      return await use(redis)
    } finally {
      void pool.release(redis)
    }
  }
  const commands: Commands = {
    hmget: (key, ...fields) => borrowed((redis) => redis.hmget(key, ...fields)),
    del: (key) => borrowed((redis) => redis.del(key)),
    evalsha: (sha, keys, ...rest) => borrowed((redis) => redis.evalsha(sha, keys, ...rest)),
    eval: (script, keys, ...rest) => borrowed((redis) => redis.eval(script, keys, ...rest)),
  }
  return withFigures(commands, size, async () => {
    await pool.drain()
    await pool.clear()
  })
}

async function nodeRedisPool({ host, port }: Target, size: number): Promise<RedisLike> {
  const limits = { minimum: size, maximum: size, acquireTimeout: 30_000 }
  const pool = createClientPool({ socket: { host, port } }, limits)
  pool.on('error', () => {})
  await pool.connect()
  const split = (keyCount: number, rest: readonly (string | number)[]) => {
    const texts = rest.map(String)
    return { keys: texts.slice(0, keyCount), arguments: texts.slice(keyCount) }
  }
  const commands: Commands = {
    hmget: (key, ...fields) => pool.hmGet(key, fields),
    del: (key) => pool.del(key),
    evalsha: (sha, keys, ...rest) => pool.evalSha(sha, split(keys, rest)),
    eval: (script, keys, ...rest) => pool.eval(script, split(keys, rest)),
  }
  return withFigures(commands, size, async () => pool.destroy())
}

/** The service's Redis, by one of the clients. */
export async function redisLike(name: string, target: Target): Promise<RedisLike> {
  const { kind, connections } = parseClient(name)
  switch (kind) {
    case 'cenote': {
      const pool = createPool(poolOptions(target))
      return fromPool(pool)
    }
    case 'ioredis-auto':
      return ioredisAuto(target)
    case 'generic-pool':
      return genericPoolIoredis(target, connections)
    case 'node-redis-pool':
      return nodeRedisPool(target, connections)
    default:
      throw new Error(`The service has no adapter for ${name}`)
  }
}
