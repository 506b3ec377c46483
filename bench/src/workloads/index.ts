import { commandWorkloads } from './commands.js'
import { getSet } from './get-set.js'
import { lease, leaseClients } from './lease.js'
import { idleConnections, parkedCommands } from './memory.js'
import { mixed } from './mixed.js'
import { service } from './service.js'
import type { Workload } from './types.js'

/** A workload, who takes part in it, and its place in the quick run. */
export interface Entry {
  readonly workload: Workload
  readonly clients: readonly string[]
  /** Quick mode: these clients, so many rounds. Undefined: not part of it. */
  readonly quick?: { readonly clients?: readonly string[]; readonly rounds: number }
}

/** Each client at its own best setting. */
const BEST = [
  'cenote',
  'floor',
  'ioredis',
  'ioredis-auto',
  'node-redis',
  'node-redis-pool@160',
  'generic-pool@160',
  'glide',
]
const FAST = ['cenote', 'floor', 'ioredis-auto', 'node-redis']

const throughput = (callers: number): Workload =>
  getSet({
    id: `get-set-${callers}`,
    title: `GET:SET 9:1, 100 bytes, ${callers.toLocaleString('en-US')} caller${callers === 1 ? '' : 's'}`,
    callers,
    bytes: 100,
  })

/** At equal connection counts, whatever suits each client best. */
const equal = (connections: number): Workload =>
  getSet({
    id: `equal-${connections}`,
    title: `GET:SET 9:1, 1,000 callers, ${connections} connections each`,
    callers: 1000,
    bytes: 100,
  })

const at = (connections: number, ...kinds: string[]): string[] => kinds.map((kind) => `${kind}@${connections}`)

export const catalogue: readonly Entry[] = [
  { workload: throughput(1000), clients: [...BEST, 'node-redis-pool@20'], quick: { clients: BEST, rounds: 3 } },
  { workload: throughput(64), clients: BEST, quick: { clients: FAST, rounds: 3 } },
  { workload: throughput(1), clients: BEST, quick: { clients: ['cenote', 'floor', 'ioredis'], rounds: 3 } },
  { workload: throughput(16), clients: BEST },
  { workload: throughput(256), clients: BEST },
  { workload: throughput(8000), clients: BEST },
  {
    workload: equal(8),
    clients: at(8, 'cenote', 'floor', 'ioredis', 'ioredis-auto', 'node-redis', 'node-redis-pool', 'generic-pool'),
  },
  {
    workload: equal(160),
    clients: at(160, 'cenote', 'cenote-leases', 'node-redis-pool', 'generic-pool', 'node-redis', 'ioredis-auto'),
  },
  {
    workload: getSet({ id: 'values-1k', title: 'GET:SET 9:1, 1 KiB', callers: 64, bytes: 1024 }),
    clients: BEST,
  },
  { workload: getSet({ id: 'values-10k', title: 'GET:SET 9:1, 10 KiB', callers: 64, bytes: 10_240 }), clients: BEST },
  {
    workload: getSet({ id: 'values-100k', title: 'GET:SET 9:1, 100 KiB', callers: 16, bytes: 102_400 }),
    clients: BEST,
  },
  {
    workload: getSet({
      id: 'multibyte',
      title: 'GET:SET 9:1, 1 KiB UTF-8',
      callers: 64,
      bytes: 1024,
      kind: 'multibyte',
    }),
    clients: BEST,
  },
  {
    workload: getSet({ id: 'buffers', title: 'GET:SET 9:1, 1 KiB Buffers', callers: 64, bytes: 1024, kind: 'buffer' }),
    clients: BEST,
  },
  ...commandWorkloads.map(
    (workload): Entry => ({
      workload,
      clients: BEST,
      quick: ['hgetall-20', 'pipeline-100'].includes(workload.id) ? { clients: FAST, rounds: 1 } : undefined,
    }),
  ),
  {
    workload: getSet({
      id: 'tls-1000',
      title: 'GET:SET 9:1, 100 bytes, 1,000 callers, TLS',
      callers: 1000,
      bytes: 100,
      tls: true,
    }),
    clients: BEST,
  },
  { workload: mixed, clients: BEST, quick: { clients: ['cenote'], rounds: 2 } },
  {
    workload: lease('lease-1', 'Borrow and return, 1 borrower, 16 resources', 1),
    clients: leaseClients,
    quick: { rounds: 1 },
  },
  { workload: lease('lease-64', 'Borrow and return, 64 borrowers, 16 resources', 64), clients: leaseClients },
  {
    workload: service,
    clients: ['cenote', 'ioredis-auto', 'node-redis-pool@160', 'generic-pool@160'],
    quick: { clients: ['cenote', 'node-redis-pool@160'], rounds: 1 },
  },
  {
    workload: idleConnections,
    clients: at(160, 'cenote', 'ioredis', 'node-redis', 'node-redis-pool', 'generic-pool'),
  },
  { workload: parkedCommands, clients: ['cenote', 'ioredis', 'ioredis-auto', 'node-redis', 'generic-pool@160'] },
]

export function findWorkload(id: string): Workload {
  const found = catalogue.find(({ workload }) => workload.id === id)
  if (found === undefined) {
    throw new Error(`There is no workload ${id}; there are ${catalogue.map(({ workload }) => workload.id).join(', ')}`)
  }
  return found.workload
}
