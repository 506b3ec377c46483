import { once } from 'node:events'
import { type AddressInfo, Server as NetServer } from 'node:net'
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

export interface RunningServer {
  readonly url: string
  readonly port: number
  stats(): WorkerStats
  /** Ends without dropping a request, or cuts off what is left after `drainTimeoutMs`. Returns what was cut off. */
  drain(): Promise<{ readonly cutOff: number }>
}

/** One listening process: app, accounts and Redis client, and their orderly end. */
export async function startServer(
  config: Config,
  createRedis: RedisFactory,
  worker = 1,
  allWorkers?: () => Promise<readonly WorkerStats[]>,
): Promise<RunningServer> {
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
  await app.listen({ host: config.host, port: config.port, listenTextResolver: () => 'listening' })
  const { port } = app.server.address() as AddressInfo
  const connections = new Set<unknown>()
  app.server.on('connection', (socket) => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
  })

  async function drain(): Promise<{ cutOff: number }> {
    lifecycle.draining = true
    const deadline = Date.now() + config.shutdownDelayMs + config.drainTimeoutMs
    if (config.shutdownDelayMs > 0) await new Promise((resolve) => setTimeout(resolve, config.shutdownDelayMs))
    const closed = once(app.server, 'close')
    // http.Server.close() would also end idle keep-alive connections, one of which may have a request on its way.
    // Stopping at the TCP layer lets each be answered once more (with "Connection: close") or run into its timeout.
    NetServer.prototype.close.call(app.server)
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, Math.max(0, deadline - Date.now()))
    })
    await Promise.race([closed, late])
    clearTimeout(timer)
    const cutOff = connections.size
    if (cutOff > 0) {
      app.log.warn({ connections: cutOff }, 'drain timed out, closing what is left')
      app.server.closeAllConnections()
    }
    await app.close()
    await redis.close()
    accounts.close()
    return { cutOff }
  }

  const host = config.host.includes(':') ? `[${config.host}]` : config.host
  return { url: `http://${host}:${port}`, port, stats: () => ownStats(worker, redis), drain }
}
