import { RawClient } from '@cenote/test-support'
import { openClient } from '../clients/index.js'
import type { BenchClient } from '../clients/types.js'
import type { Target } from '../job.js'
import { bytesPerCommand, GUARDED, type Guarded, preparation } from './allocations.js'
import { readsPerBatch } from './writes.js'

/** What the guard asks of this process, as its argument. */
export interface GuardJob {
  readonly target: Target
  readonly only?: readonly Guarded[]
  /** Makes each command dearer, to show that the guard notices. */
  readonly waste?: 'closure' | 'timer'
}

export interface GuardReport {
  /** Bytes per command: cenote's, and those of the floor, which has to pay for promise, reply and request as well. */
  readonly bytes: Readonly<Partial<Record<Guarded, { readonly cenote: number; readonly floor: number }>>>
  readonly readsPerBatch: number
}

const job = JSON.parse(process.argv[2] ?? '') as GuardJob
process.on('disconnect', () => process.exit(1))

/** Kept alive, so that the optimiser cannot make it vanish. */
let kept: unknown

function wasteful(client: BenchClient, waste: GuardJob['waste']): BenchClient {
  if (waste === undefined) return client
  return {
    ...client,
    get: (key) => {
      if (waste === 'closure') kept = () => [kept, key]
      else clearTimeout(setTimeout(() => key, 60_000))
      return client.get(key)
    },
  }
}

const raw = await RawClient.open(job.target)
for (const command of preparation()) await raw.send(...command)
raw.close()

async function using<T>(kind: string, use: (client: BenchClient) => Promise<T>): Promise<T> {
  const client = await openClient(kind, job.target, { text: 'latin1', dedicated: 0 })
  try {
    return await use(client)
  } finally {
    await client.close()
  }
}

const bytes: { [K in Guarded]?: { cenote: number; floor: number } } = {}
for (const guarded of job.only ?? GUARDED) {
  bytes[guarded] = {
    cenote: await using('cenote', (client) => bytesPerCommand(wasteful(client, job.waste), guarded)),
    floor: await using('floor', (client) => bytesPerCommand(client, guarded)),
  }
}
const report: GuardReport = {
  bytes,
  readsPerBatch: await using('cenote', (client) => readsPerBatch(client, job.target)),
}
process.send?.(report, () => process.exit(0))
