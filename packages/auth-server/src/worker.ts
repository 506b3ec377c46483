import type { Socket } from 'node:net'
import type { Config } from './config.js'
import type { FromPrimary, FromWorker } from './messages.js'
import { type RedisFactory, type Server, startServer } from './server.js'
import type { WorkerStats } from './worker-stats.js'

/** How long a worker waits for the primary's figures before it answers with its own alone. */
const GATHER_TIMEOUT_MS = 2000

/** Runs one worker process until the primary tells it to end. */
export async function runWorker(config: Config, createRedis: RedisFactory): Promise<void> {
  let server: Server | undefined
  let ending = false
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

  async function end(): Promise<void> {
    ending = true
    const cutOff = (await server?.drain()) ?? 0
    send({ type: 'drained', cutOff })
    process.disconnect?.()
  }

  function onMessage(message: FromPrimary, socket: Socket | undefined): void {
    switch (message.type) {
      case 'connection':
        // Undefined when the caller has hung up on its way here.
        if (socket !== undefined) server?.accept(socket)
        return
      case 'leave':
        server?.leave()
        return
      case 'drain':
        void end().catch(die)
        return
      case 'stats':
        send({ type: 'stats', id: message.id, stats: server?.stats() })
        return
      case 'gathered':
        answers.get(message.id)?.(message.all)
    }
  }

  process.on('message', (message, socket) => onMessage(message as FromPrimary, socket as Socket | undefined))
  // A terminal signals the whole process group; only the primary decides when workers end.
  process.on('SIGTERM', () => {})
  process.on('SIGINT', () => {})
  // Without its primary nobody would ever end this process.
  process.on('disconnect', () => {
    if (!ending) process.exit(1)
  })

  server = await startServer(config, createRedis, Number(process.env.CENOTE_WORKER ?? 1), gather)
  send({ type: 'ready' })
}

function die(error: unknown): never {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  process.exit(1)
}
