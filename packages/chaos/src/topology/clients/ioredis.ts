import dns from 'node:dns'
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis'
import type { ChaosClient, CommandLine } from '../../client.js'
import type { OpenTopologyClient, TopologyAddress } from '../scenario.js'
import { Spares } from './first-key.js'

const ignore = (): undefined => undefined

const entry = ([error, result]: [Error | null, unknown?]): unknown => error ?? result

/** Both classes take the same commands. */
function over(name: string, client: Redis | Cluster): ChaosClient {
  const opened: (Redis | Cluster)[] = [client]
  const another = (): Redis | Cluster => {
    const made = client instanceof Cluster ? client.duplicate() : client.duplicate()
    made.on('error', ignore)
    opened.push(made)
    return made
  }
  const spares = new Spares(
    async () => another(),
    () => undefined,
  )
  const chain = (commands: readonly CommandLine[], transaction: boolean) => {
    const batch = transaction ? client.multi() : client.pipeline()
    for (const command of commands) batch.call(...command)
    return batch.exec()
  }
  return {
    name,
    call: (command, ...args) => client.call(command, ...args),
    pipeline: async (commands) => ((await chain(commands, false)) ?? []).map(entry),
    transaction: async (commands) => (await chain(commands, true))?.map(entry) ?? null,
    blockingPop: (key, seconds) => spares.use((spare) => spare.blpop(key, seconds)),
    subscribe: async (channels, listener) => {
      const subscriber = another()
      subscriber.on('message', (channel: string, message: string) => listener.onMessage(channel, message))
      await subscriber.subscribe(...channels)
    },
    ssubscribe: async (channels, listener) => {
      client.on('smessage', (channel: string, message: string) => listener.onMessage(channel, message))
      for (const channel of channels) await client.ssubscribe(channel)
    },
    close: async () => {
      for (const one of opened) one.disconnect()
    },
  }
}

export const ioredisCluster =
  (name: string, more: ClusterOptions): OpenTopologyClient =>
  async (address: TopologyAddress) => {
    const { seeds, password, ca } = address
    const client = new Cluster([...seeds], {
      redisOptions: { password, ...(ca === undefined ? {} : { tls: { ca } }) },
      // Its own is taken when the package is loaded, before names are made up here.
      dnsLookup: (host, done) => dns.lookup(host, (error, found) => done(error, found)),
      ...(address.readFrom === 'replicas' ? { scaleReads: 'slave' as const } : {}),
      ...(address.sharded ? { shardedSubscribers: true } : {}),
      ...more,
    })
    client.on('error', ignore)
    return over(name, client)
  }

export const ioredisSentinel =
  (name: string, more: RedisOptions): OpenTopologyClient =>
  async (address: TopologyAddress) => {
    const client = new Redis({
      sentinels: [...address.seeds],
      name: address.name,
      password: address.password,
      sentinelPassword: address.sentinelPassword,
      ...more,
    })
    client.on('error', ignore)
    return over(name, client)
  }
