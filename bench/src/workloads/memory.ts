import { setTimeout as sleep } from 'node:timers/promises'
import { openClient, parseClient } from '../clients/index.js'
import type { Job, Measurement } from '../job.js'
import { ServerView } from '../measure/server.js'
import type { Workload } from './types.js'

const PARKED = 10_000
const needs = { text: 'latin1', dedicated: 0 } as const

interface Size {
  readonly rss: number
  /** JavaScript objects and what they hold outside the heap. */
  readonly held: number
}

async function processSize(): Promise<Size> {
  if (globalThis.gc === undefined) throw new Error('Memory is measured with --expose-gc')
  for (let i = 0; i < 3; i++) {
    globalThis.gc()
    // Finalizers and freed handles need turns of the loop to be gone.
    await sleep(20)
  }
  const { rss, heapUsed, external } = process.memoryUsage()
  return { rss, held: heapUsed + external }
}

/** What a process grows by when it holds idle connections. */
export const idleConnections: Workload = {
  id: 'memory-idle',
  title: 'Memory of 160 idle connections',
  unit: 'connections',
  nodeFlags: ['--expose-gc'],
  measure: async (job: Job): Promise<Measurement> => {
    const target = { ...job.target, tls: undefined }
    const { kind, connections } = parseClient(job.client)
    const server = await ServerView.open(target)
    // Code is not what connections take: it is loaded before the first look.
    const { createPool } = await import('cenote')
    const { poolOptions } = await import('../clients/cenote.js')
    const before = await processSize()
    const client =
      kind === 'cenote'
        ? createPool({ ...poolOptions(target), minConnections: connections - 1, maxConnections: connections + 1 })
        : await openClient(job.client, target, needs)
    for (let tries = 0; (await server.connections()) < connections; tries++) {
      if (tries === 500) throw new Error(`Only ${await server.connections()} of ${connections} connections came up`)
      await sleep(20)
    }
    const after = await processSize()
    const counted = await server.connections()
    server.close()
    await client.close()
    return { connections: counted, extra: { rssBytes: after.rss - before.rss, heldBytes: after.held - before.held } }
  },
}

/** What a process grows by when callers go on issuing commands while no server answers. */
export const parkedCommands: Workload = {
  id: 'memory-parked',
  title: 'Memory of 10,000 parked commands',
  unit: 'commands',
  nodeFlags: ['--expose-gc'],
  measure: async (job: Job): Promise<Measurement> => {
    const client = await openClient(job.client, { ...job.target, tls: undefined }, needs)
    await client.set('key', 'value')
    process.kill(job.target.pid, 'SIGKILL')
    await sleep(150)
    const before = await processSize()
    let settled = 0
    const count = (): void => {
      settled++
    }
    for (let i = 0; i < PARKED; i++) client.set(`parked:${i}`, `value ${i}`).then(count, count)
    const after = await processSize()
    const parked = PARKED - settled
    // Whoever refuses at once parks nothing: its size would say little.
    const perCommand = parked < PARKED / 2 ? undefined : (after.held - before.held) / parked
    void client.close().catch(() => {})
    return { extra: { parked, ...(perCommand === undefined ? {} : { bytesPerCommand: perCommand }) } }
  },
}
