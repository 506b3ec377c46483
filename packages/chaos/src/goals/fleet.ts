import { type ChildProcess, fork } from 'node:child_process'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { startRedis } from '@cenote/test-support'

export interface FleetResult {
  readonly processes: number
  /** Most connection attempts within one second, while nobody listened for Redis and after its return. */
  readonly mostDialsPerSecond: number
  readonly cap: number
  readonly served: number
  /** From the server's readiness to the last process served. */
  readonly lastServedMs: number
}

/** What one process may dial in a second while the server is away: one probe at a time, 100 to 200 ms apart. */
const DIALS_PER_PROCESS = 10

/** Many processes lose their server at once and come back to it. */
export async function measureFleet(processes: number): Promise<FleetResult> {
  const redis = await startRedis()
  const members: ChildProcess[] = []
  const servedAt = new Map<number, number>()
  let ready = 0
  const attempts: number[] = []
  const path = fileURLToPath(new URL('./fleet-member.js', import.meta.url))
  for (let i = 0; i < processes; i++) {
    const member = fork(path, [String(redis.port)], { stdio: 'ignore' })
    member.on('message', (message: { ready?: boolean; servedAt?: number }) => {
      if (message.ready) ready++
      if (message.servedAt !== undefined) servedAt.set(i, message.servedAt)
    })
    members.push(member)
    // Started a few at a time: it is their reconnecting that is looked at.
    if (i % 4 === 3) while (ready < i - 3) await pause(10)
  }
  while (ready < processes) await pause(10)
  await pause(500)
  await redis.kill()
  // Takes the port and hangs up on everybody, so that every attempt is seen.
  const counter = createServer((socket) => {
    attempts.push(performance.now())
    socket.resetAndDestroy()
  })
  await new Promise<void>((resolve) => counter.listen(redis.port, '127.0.0.1', resolve))
  await pause(3_000)
  await new Promise<void>((resolve) => counter.close(() => resolve()))
  for (const member of members) member.send('look out')
  await redis.start()
  const returned = Date.now()
  const limit = performance.now() + 10_000
  while (servedAt.size < processes && performance.now() < limit) await pause(5)
  for (const member of members) member.send('stop')
  await Promise.all(members.map((member) => new Promise((resolve) => member.once('exit', resolve))))
  await redis.stop()
  return {
    processes,
    mostDialsPerSecond: busiestSecond(attempts),
    cap: processes * DIALS_PER_PROCESS,
    served: servedAt.size,
    lastServedMs: Math.max(...servedAt.values()) - returned,
  }
}

function busiestSecond(times: readonly number[]): number {
  let most = 0
  for (let start = 0, end = 0; end < times.length; end++) {
    while (times[end]! - times[start]! > 1_000) start++
    most = Math.max(most, end - start + 1)
  }
  return most
}

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))
