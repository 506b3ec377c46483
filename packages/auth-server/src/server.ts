import type { Socket } from 'node:net'
import { createApp } from './app.js'
import type { Config } from './config.js'
import { loadKeys } from './keys.js'
import type { Lifecycle } from './lifecycle.js'
import type { RedisLike } from './redis/like.js'
import { SqliteAccountStore } from './store/sqlite.js'
import { ownStats, type WorkerStats } from './worker-stats.js'

/** What a Redis client may write to the service's log. */
export interface RedisLog {
  warn(fields: object, message: string): void
  info(fields: object, message: string): void
}

/** Makes the Redis client of one worker. Called once per process. */
export type RedisFactory = (config: Config, log: RedisLog) => RedisLike

export interface Server {
  /** Serves a connection that somebody else has accepted. */
  accept(socket: Socket): void
  stats(): WorkerStats
  /** From now on answers close their connection, and `/ready` says 503. */
  leave(): void
  /**
   * Waits for all connections to end, cuts off what is left after `drainTimeoutMs`, and frees everything. No connection
   * may be handed in afterwards. Returns how many were cut off.
   */
  drain(): Promise<number>
}

/** App, accounts and Redis client of one process, and their orderly end. */
export async function startServer(
  config: Config,
  createRedis: RedisFactory,
  worker = 1,
  allWorkers?: () => Promise<readonly WorkerStats[]>,
): Promise<Server> {
  const lifecycle: Lifecycle = { draining: false }
  const keys = loadKeys(config)
  const accounts = new SqliteAccountStore(config.dataDir)
  let log: RedisLog | undefined
  const redis = createRedis(config, {
    warn: (fields, message) => log?.warn(fields, message),
    info: (fields, message) => log?.info(fields, message),
  })
  const app = createApp({ config, keys, redis, accounts, lifecycle, worker, allWorkers })
  log = app.log
  await app.ready()
  // The primary listens; without this event the HTTP server would not watch over header and request timeouts.
  app.server.emit('listening')

  const connections = new Set<Socket>()
  let onEmpty: (() => void) | undefined

  function accept(socket: Socket): void {
    connections.add(socket)
    socket.once('close', () => {
      connections.delete(socket)
      if (connections.size === 0) onEmpty?.()
    })
    // As the HTTP server's own sockets: a caller that has sent all it wants still gets its answer.
    socket.allowHalfOpen = true
    app.server.emit('connection', socket)
  }

  /** True once no connection is left, false when the time is up. */
  function emptied(timeoutMs: number): Promise<boolean> {
    if (connections.size === 0) return Promise.resolve(true)
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), timeoutMs)
      onEmpty = () => {
        clearTimeout(timer)
        resolve(true)
      }
    })
  }

  async function drain(): Promise<number> {
    lifecycle.draining = true
    let cutOff = 0
    // Idle keep-alive connections are not closed at once: one of them may have a request on its way. Each is answered
    // once more, with "Connection: close", or runs into its own timeout.
    if (!(await emptied(config.drainTimeoutMs))) {
      cutOff = connections.size
      app.log.warn({ connections: cutOff }, 'drain timed out, closing what is left')
      for (const socket of connections) socket.destroy()
    }
    app.server.close()
    await app.close()
    await redis.close()
    accounts.close()
    return cutOff
  }

  return {
    accept,
    stats: () => ownStats(worker, redis),
    leave: () => {
      lifecycle.draining = true
    },
    drain,
  }
}
