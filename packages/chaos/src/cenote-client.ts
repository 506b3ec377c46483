import { createPool, type Pipeline, type PoolOptions, type RedisPool, type SubscriptionGap } from 'cenote'
import type { Address, ChaosClient, CommandLine } from './client.js'

export interface CenoteClient extends ChaosClient {
  readonly pool: RedisPool
}

type Entries = readonly (readonly [error: Error | null, result?: unknown])[]

const entry = ([error, result]: Entries[number]): unknown => error ?? result

function chained(pipeline: Pipeline, commands: readonly CommandLine[]): Pipeline {
  for (const command of commands) pipeline.call(...command)
  return pipeline
}

export function cenoteClient(address: Address, more: PoolOptions = {}): CenoteClient {
  const { host, port, username, password, ca, timeoutMs } = address
  const tls = ca === undefined ? undefined : { ca, servername: 'localhost' }
  return cenoteOver(createPool({ host, port, username, password, tls, commandTimeoutMs: timeoutMs, ...more }))
}

/** Whatever servers a pool leads to, the load uses it alike. */
export function cenoteOver(pool: RedisPool): CenoteClient {
  return {
    name: 'cenote',
    pool,
    call: (command, ...args) => pool.call(command, ...args),
    callBack: (done, command, ...args) => {
      pool.call(command, ...args, done).catch(() => undefined)
    },
    pipeline: async (commands) => ((await chained(pool.pipeline(), commands).exec()) ?? []).map(entry),
    transaction: async (commands) => (await chained(pool.multi(), commands).exec())?.map(entry) ?? null,
    exclusive: (_key, work) => pool.withConnection((lease) => work(lease)),
    blockingPop: (key, seconds) => pool.blpop(key, seconds),
    subscribe: async (channels, listener) => {
      pool.on('message', (channel: string, message: string) => listener.onMessage(channel, message))
      pool.on('gap', (gap: SubscriptionGap) => listener.onGap(gap.from, gap.to))
      await pool.subscribe(...channels)
    },
    close: () => pool.close({ timeoutMs: 500 }),
  }
}
