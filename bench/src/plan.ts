import { catalogue, type Entry } from './workloads/index.js'
import type { Workload } from './workloads/types.js'

export interface PlanOptions {
  readonly quick: boolean
  /** Ids, or beginnings of ids: `get-set` means all that begin so. Empty: all. */
  readonly workloads: readonly string[]
  /** Names as in the catalogue, or kinds: `ioredis-auto` means it at every number of connections. Empty: all. */
  readonly clients: readonly string[]
  readonly rounds: number | undefined
}

export interface PlannedWorkload {
  readonly workload: Workload
  readonly clients: readonly string[]
  readonly rounds: number
}

export const FULL_ROUNDS = 5

/** @throws Error when a filter names what does not exist */
export function makePlan(options: PlanOptions, entries: readonly Entry[] = catalogue): PlannedWorkload[] {
  for (const wanted of options.workloads) {
    if (!entries.some(({ workload }) => matchesWorkload(workload.id, wanted))) {
      throw new Error(
        `There is no workload ${wanted}; there are ${entries.map(({ workload }) => workload.id).join(', ')}`,
      )
    }
  }
  const known = [...new Set(entries.flatMap(({ clients }) => clients))]
  for (const wanted of options.clients) {
    if (!known.some((client) => matchesClient(client, wanted))) {
      throw new Error(`There is no client ${wanted}; there are ${known.sort().join(', ')}`)
    }
  }
  const plan: PlannedWorkload[] = []
  for (const entry of entries) {
    const { workload, quick } = entry
    const chosen = options.workloads.some((wanted) => matchesWorkload(workload.id, wanted))
    if (options.workloads.length > 0 && !chosen) continue
    // A workload asked for by name is measured in quick mode too.
    if (options.quick && quick === undefined && !chosen) continue
    const all = options.quick && options.clients.length === 0 ? (quick?.clients ?? entry.clients) : entry.clients
    const clients = all.filter(
      (client) => options.clients.length === 0 || options.clients.some((wanted) => matchesClient(client, wanted)),
    )
    if (clients.length === 0) continue
    plan.push({ workload, clients, rounds: options.rounds ?? (options.quick ? (quick?.rounds ?? 1) : FULL_ROUNDS) })
  }
  return plan
}

function matchesWorkload(id: string, wanted: string): boolean {
  return id === wanted || id.startsWith(`${wanted}-`)
}

function matchesClient(client: string, wanted: string): boolean {
  return client === wanted || client.split('@')[0] === wanted
}

/** Clients take turns within a round, and each round goes the other way round. */
export function orderOf(clients: readonly string[], round: number): readonly string[] {
  return round % 2 === 0 ? clients : [...clients].reverse()
}
