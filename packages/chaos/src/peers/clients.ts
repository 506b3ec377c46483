import { GlideClient } from '@valkey/valkey-glide'
import { createPool as createGenericPool } from 'generic-pool'
import { Redis, type RedisOptions } from 'ioredis'
import { createClient, createClientPool } from 'redis'
import { cenoteClient } from '../cenote-client.js'
import type { Address, ChaosClient } from '../client.js'

type Open = (address: Address) => Promise<ChaosClient> | ChaosClient

/** Connections of the pools; the single clients have one. */
const POOL_SIZE = 20

const ignore = (): undefined => undefined

/** What ioredis' documentation names for failures: time-outs for commands and sockets, reconnecting on READONLY. */
const ioredisResilient = (address: Address): RedisOptions => ({
  commandTimeout: address.timeoutMs,
  socketTimeout: 2_000,
  connectTimeout: 2_000,
  keepAlive: 10_000,
  maxRetriesPerRequest: 3,
  retryStrategy: (times) => Math.min(times * 50, 500),
  reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 2 : false),
})

function openIoredis(address: Address, more: RedisOptions): Redis {
  const { host, port, username, password, ca } = address
  const tls = ca === undefined ? undefined : { ca, servername: 'localhost' }
  const redis = new Redis({ host, port, username, password: password?.(), tls, ...more })
  redis.on('error', ignore)
  return redis
}

const ioredis =
  (name: string, settings: (address: Address) => RedisOptions): Open =>
  (address) => {
    const redis = openIoredis(address, settings(address))
    return {
      name,
      call: (command, ...args) => redis.call(command, ...args),
      close: async () => redis.disconnect(),
    }
  }

const genericPool =
  (name: string, resilient: boolean): Open =>
  (address) => {
    const settings = resilient ? ioredisResilient(address) : {}
    const pool = createGenericPool<Redis>(
      {
        create: async () => {
          const redis = openIoredis(address, settings)
          await new Promise((resolve) => redis.once('ready', resolve))
          return redis
        },
        destroy: async (redis) => redis.disconnect(),
        validate: async (redis) => redis.status === 'ready',
      },
      { max: POOL_SIZE, ...(resilient ? { testOnBorrow: true, acquireTimeoutMillis: address.timeoutMs } : {}) },
    )
    return {
      name,
      call: (command, ...args) => pool.use((redis) => redis.call(command, ...args)),
      close: async () => {
        await pool.drain()
        await pool.clear()
      },
    }
  }

/** What node-redis' documentation names for failures: pings, time-outs for sockets and commands, credentials asked anew. */
function nodeRedisOptions(address: Address, resilient: boolean) {
  const { host, port, username, password, timeoutMs, ca } = address
  const socket = { host, port, ...(ca === undefined ? {} : { tls: true as const, ca, servername: 'localhost' }) }
  if (!resilient) return { socket, username, password: password?.() }
  return {
    socket: {
      ...socket,
      socketTimeout: 2_000,
      connectTimeout: 2_000,
      keepAlive: true,
      keepAliveInitialDelay: 10_000,
      // The default one gives up for good after a socket time-out.
      reconnectStrategy: (retries: number) => Math.min(50 * 2 ** retries, 2_000) + Math.floor(Math.random() * 50),
    },
    pingInterval: 1_000,
    commandOptions: { timeout: timeoutMs },
    ...(password === undefined
      ? {}
      : {
          credentialsProvider: {
            type: 'async-credentials-provider' as const,
            credentials: async () => ({ username, password: password() }),
          },
        }),
  }
}

const nodeRedis =
  (name: string, resilient: boolean): Open =>
  async (address) => {
    const client = createClient(nodeRedisOptions(address, resilient))
    client.on('error', ignore)
    await client.connect()
    return {
      name,
      call: (command, ...args) => client.sendCommand([command, ...args]),
      close: async () => client.destroy(),
    }
  }

const nodeRedisPool =
  (name: string, resilient: boolean): Open =>
  async (address) => {
    const limits = { maximum: POOL_SIZE, ...(resilient ? { acquireTimeout: address.timeoutMs } : {}) }
    const pool = createClientPool(nodeRedisOptions(address, resilient), limits)
    pool.on('error', ignore)
    await pool.connect()
    return {
      name,
      call: (command, ...args) => pool.sendCommand([command, ...args]),
      close: async () => pool.destroy(),
    }
  }

const glide =
  (name: string, resilient: boolean): Open =>
  async (address) => {
    const { host, port, username, password, timeoutMs, ca } = address
    const tls = ca === undefined ? {} : { tlsAdvancedConfiguration: { insecure: true } }
    const client = await GlideClient.createClient({
      addresses: [{ host, port }],
      useTLS: ca !== undefined,
      ...(password === undefined ? {} : { credentials: { username, password: password() } }),
      ...(resilient
        ? {
            requestTimeout: timeoutMs,
            connectionBackoff: { numberOfRetries: 5, factor: 50, exponentBase: 2, jitterPercent: 20 },
            advancedConfiguration: { connectionTimeout: 2_000, ...tls },
          }
        : { advancedConfiguration: tls }),
    })
    return {
      name,
      call: (command, ...args) => client.customCommand([command, ...args]),
      close: async () => client.close(),
    }
  }

/** Each at its defaults and, where it has any, at the settings its documentation recommends against failures. */
export const peers: Readonly<Record<string, Open>> = {
  cenote: (address) => cenoteClient(address),
  ioredis: ioredis('ioredis', () => ({})),
  'ioredis, resilient': ioredis('ioredis, resilient', ioredisResilient),
  'node-redis': nodeRedis('node-redis', false),
  'node-redis, resilient': nodeRedis('node-redis, resilient', true),
  'node-redis pool': nodeRedisPool('node-redis pool', false),
  'node-redis pool, resilient': nodeRedisPool('node-redis pool, resilient', true),
  'generic-pool + ioredis': genericPool('generic-pool + ioredis', false),
  'generic-pool + ioredis, resilient': genericPool('generic-pool + ioredis, resilient', true),
  glide: glide('glide', false),
  'glide, resilient': glide('glide, resilient', true),
}
