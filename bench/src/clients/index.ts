import type { Target } from '../job.js'
import { spread } from './spread.js'
import type { BenchClient, ClientFactory, ClientNeeds } from './types.js'

/** A measuring process loads the client it measures and no other: their code, timers and threads are not its business. */
const lazy =
  (load: () => Promise<ClientFactory>): ClientFactory =>
  async (...where) =>
    (await load())(...where)

/** Kinds that hold several connections by themselves; any other kind at N is N clients taken in turn. */
const pooling: Readonly<Record<string, ClientFactory>> = {
  cenote: lazy(async () => (await import('./cenote.js')).cenote),
  'cenote-leases': lazy(async () => (await import('./cenote.js')).cenoteLeases),
  'node-redis-pool': lazy(async () => (await import('./node-redis.js')).nodeRedisPool),
  'generic-pool': lazy(async () => (await import('./generic-pool.js')).genericPoolIoredis),
}

const single: Readonly<Record<string, ClientFactory>> = {
  floor: lazy(async () => (await import('./floor.js')).floor),
  ioredis: lazy(async () => (await import('./ioredis.js')).ioredisPlain),
  'ioredis-auto': lazy(async () => (await import('./ioredis.js')).ioredisAuto),
  'node-redis': lazy(async () => (await import('./node-redis.js')).nodeRedis),
  glide: lazy(async () => (await import('./glide.js')).glide),
}

export const clientKinds: readonly string[] = [...Object.keys(pooling), ...Object.keys(single)]

export interface ClientName {
  readonly kind: string
  readonly connections: number
}

/**
 * `ioredis-auto` is one connection, `ioredis-auto@8` eight.
 * @throws Error naming the kinds there are
 */
export function parseClient(name: string): ClientName {
  const [kind = '', count = '1', ...rest] = name.split('@')
  const connections = Number(count)
  if (!clientKinds.includes(kind) || rest.length > 0 || !Number.isInteger(connections) || connections < 1) {
    throw new Error(`There is no client ${name}; there are ${clientKinds.join(', ')}, each also as name@connections`)
  }
  return { kind, connections }
}

export async function openClient(name: string, target: Target, needs: ClientNeeds): Promise<BenchClient> {
  const { kind, connections } = parseClient(name)
  const own = pooling[kind]
  if (own !== undefined) return own(target, connections, needs)
  const factory = single[kind]!
  if (connections === 1) return factory(target, 1, needs)
  return spread(await Promise.all(Array.from({ length: connections }, () => factory(target, 1, needs))))
}
