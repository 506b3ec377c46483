import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Progress } from '@cenote/load-test'
import type { Job, Measurement } from '../job.js'
import { ServerView } from '../measure/server.js'
import type { ServiceAnswer, ServiceFigures, ServiceRequest } from '../service/service-main.js'
import type { Workload } from './types.js'

const MAIN = fileURLToPath(new URL('../service/service-main.js', import.meta.url))
const USERS = 1000
const SNAPSHOT_MS = 200

/** The authentication service with its Redis client swapped, under session checks without a pause. */
export const service: Workload = {
  id: 'service',
  title: 'Session checks of 1,000 users, whole service',
  unit: 'requests',
  longer: 4,
  measure: async (job: Job): Promise<Measurement> => {
    const child = fork(MAIN, [job.client, JSON.stringify({ ...job.target, tls: undefined })], { stdio: 'inherit' })
    const server = await ServerView.open(job.target)
    try {
      return await run(job, child, server)
    } finally {
      server.close()
      if (child.exitCode === null && child.signalCode === null) {
        child.send('stop' satisfies ServiceRequest)
        await once(child, 'exit')
      }
    }
  },
}

async function answer<T extends ServiceAnswer>(child: ChildProcess, request?: ServiceRequest): Promise<T> {
  const answered = once(child, 'message') as Promise<[T]>
  if (request !== undefined) child.send(request)
  const ended = once(child, 'exit').then(() => {
    throw new Error('The service ended before its time')
  })
  ended.catch(() => {})
  return (await Promise.race([answered, ended]))[0]
}

async function run(job: Job, child: ChildProcess, server: ServerView): Promise<Measurement> {
  // Loaded here, so that the other workloads' processes stay small.
  const { runScenario } = await import('@cenote/load-test')
  const { SEED_PASSWORD } = await import('@cenote/auth-server')
  const { url } = await answer<{ url: string }>(child)
  const snapshots: Promise<ServiceFigures>[] = []
  let connections: Promise<number> | undefined
  // Progress comes once a second and may come late; figures are taken in between, from within the steady phase only.
  let steadily: NodeJS.Timeout | undefined
  const onProgress = ({ phase }: Progress): void => {
    clearInterval(steadily)
    if (phase !== 'steady') return
    connections ??= server.connections()
    steadily = setInterval(() => snapshots.push(answer<ServiceFigures>(child, 'figures')), SNAPSHOT_MS)
  }
  const result = await runScenario({
    target: url,
    name: 'bench',
    users: USERS,
    sockets: USERS,
    thinkTimeMs: 0,
    rampMs: job.warmUpMs,
    durationMs: job.windowMs,
    weights: { me: 1, refresh: 0, list: 0 },
    loginRate: 5000,
    loginConcurrency: 100,
    password: SEED_PASSWORD,
    onProgress,
  }).finally(() => clearInterval(steadily))
  const { steady, generator } = result
  if (steady.ok === 0) throw new Error(`No session check succeeded: ${JSON.stringify(steady.causes)}`)
  const figures = await Promise.all(snapshots)
  const first = figures[0]
  const last = figures[figures.length - 1]
  const counted = first === undefined || last === undefined ? 0 : last.replies - first.replies
  return {
    perSecond: steady.perSecond,
    cpuUs: counted === 0 ? undefined : (last!.cpuUs - first!.cpuUs) / counted,
    latencyMs: { p50: steady.latency.p50, p95: steady.latency.p95, p99: steady.latency.p99 },
    connections: await connections,
    extra: { failed: steady.failed, generatorSaturated: generator.saturated ? 1 : 0 },
  }
}
