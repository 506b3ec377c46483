import cluster from 'node:cluster'
import type { Config } from './config.js'
import { type RedisFactory, type RunningServer, startServer } from './server.js'
import type { WorkerStats } from './worker-stats.js'
import type { FromPrimary, FromWorker } from './workers.js'

/** How long a worker waits for the primary's figures before it answers with its own alone. */
const GATHER_TIMEOUT_MS = 2000

/** Runs one worker process until the primary tells it to end. */
export async function runWorker(config: Config, createRedis: RedisFactory): Promise<void> {
  const number = Number(process.env.CENOTE_WORKER ?? 1)
  let server: RunningServer | undefined
  let ending: Promise<void> | undefined
  let asked = 0
  const answers = new Map<number, (all: readonly WorkerStats[]) => void>()

  const send = (message: FromWorker): void => {
    if (process.connected) process.send?.(message)
  }

  function gather(): Promise<readonly WorkerStats[]> {
    const id = ++asked
    return new Promise((resolve) => {
      const settle = (all: readonly WorkerStats[]): void => {
        clearTimeout(timer)
        answers.delete(id)
        resolve(all)
      }
      const timer = setTimeout(() => settle(server === undefined ? [] : [server.stats()]), GATHER_TIMEOUT_MS)
      answers.set(id, settle)
      send({ type: 'gather', id })
    })
  }

  function end(): Promise<void> {
    ending ??= (async () => {
      const { cutOff } = (await server?.drain()) ?? { cutOff: 0 }
      send({ type: 'drained', cutOff })
      process.disconnect?.()
    })()
    return ending
  }

  process.on('message', (message: FromPrimary) => {
    if (message.type === 'drain') void end().catch(die)
    else if (message.type === 'stats') send({ type: 'stats', id: message.id, stats: server?.stats() })
    else if (message.type === 'gathered') answers.get(message.id)?.(message.all)
  })
  // A terminal signals the whole process group; only the primary decides when workers end.
  process.on('SIGTERM', () => {})
  process.on('SIGINT', () => {})
  // Without its primary nobody would ever end this process.
  process.on('disconnect', () => {
    if (ending === undefined) process.exit(1)
  })

  server = await startServer(config, createRedis, number, gather)
  send({ type: 'listening', url: server.url, port: server.port })
  if (!cluster.worker?.isConnected()) process.exit(1)
}

function die(error: unknown): never {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  process.exit(1)
}
