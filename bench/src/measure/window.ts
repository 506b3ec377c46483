import { setTimeout as sleep } from 'node:timers/promises'
import type { Job, Measurement } from '../job.js'
import { Loop } from './loop.js'
import type { ServerView } from './server.js'

/** Starts one caller; resolves when the loop stops running. */
export type Caller = (caller: number, loop: Loop) => Promise<void>

export interface WindowOptions extends Pick<Job, 'warmUpMs' | 'windowMs'> {
  readonly callers: number
  /** Commands the server executes for one operation at least. 0: none, there is no server in the path. */
  readonly commandsPerOperation: number
}

/**
 * Closed loop: warm up, then count what is verified inside the window.
 * @throws whatever a caller throws (a wrong reply, an error of the client), at once; and when the server executed less
 * than the client claims
 */
export async function measureWindow(
  options: WindowOptions,
  server: ServerView | undefined,
  caller: Caller,
): Promise<Measurement> {
  const { callers, warmUpMs, windowMs, commandsPerOperation } = options
  const loop = new Loop(callers)
  const executedBefore = (await server?.commands()) ?? 0
  const all = Promise.all(Array.from({ length: callers }, (_, i) => caller(i, loop)))
  const failed = all.then(() => {
    if (loop.running) throw new Error('All callers ended before the time was up')
  })
  // Awaited below; until then a failure must not count as unhandled.
  failed.catch(() => {})

  try {
    await Promise.race([sleep(warmUpMs), failed])
    const serverBefore = await server?.cpuUs()
    loop.latencies.reset()
    const doneBefore = loop.done
    const cpuBefore = process.cpuUsage()
    const startedAt = performance.now()
    await Promise.race([sleep(windowMs), failed])
    const wallMs = performance.now() - startedAt
    const cpu = process.cpuUsage(cpuBefore)
    const operations = loop.done - doneBefore
    const serverAfter = await server?.cpuUs()
    const connections = await server?.connections()
    loop.running = false
    await all

    if (operations === 0) throw new Error('Not one operation was completed inside the window')
    const executed = ((await server?.commands()) ?? 0) - executedBefore
    if (server !== undefined && executed < loop.done * commandsPerOperation) {
      throw new Error(
        `The server executed ${executed} commands; ${loop.done * commandsPerOperation} replies were given`,
      )
    }
    const serverUs = serverBefore === undefined || serverAfter === undefined ? undefined : serverAfter - serverBefore
    return {
      perSecond: (operations / wallMs) * 1000,
      cpuUs: (cpu.user + cpu.system) / operations,
      serverCpuUs: serverUs === undefined ? undefined : serverUs / operations,
      latencyMs: loop.latencies.percentiles(),
      connections,
    }
  } finally {
    loop.running = false
  }
}
