import { setImmediate as nextTurn } from 'node:timers/promises'
import type { BenchClient, Hash } from '../clients/types.js'
import { asciiValue } from '../workloads/values.js'

/** Commands whose cost in memory is watched. */
export const GUARDED = ['get', 'set', 'pipeline', 'hgetall'] as const
export type Guarded = (typeof GUARDED)[number]

/** Commands in one turn of the event loop; few turns, so that what a turn costs hardly counts. */
const PER_TURN = 500
const KEYS = Array.from({ length: PER_TURN }, (_, i) => `guard:${i}`)
const VALUES = KEYS.map((_, i) => asciiValue(i, 100))
const PIPELINE_KEYS = KEYS.slice(0, 100)
const PIPELINE_VALUES = VALUES.slice(0, 100)
const HASH: Hash = {
  fields: Array.from({ length: 20 }, (_, i) => `field:${i}`),
  values: Array.from({ length: 20 }, (_, i) => asciiValue(i, 20)),
}

interface Work {
  readonly commandsPerTurn: number
  /** So many that one more chunk or one less does not show, so few that their garbage fits. */
  readonly turns: number
  turn(client: BenchClient): Promise<void>
}

/** Counts down instead of gathering promises: Promise.all would allocate more per command than some clients do. */
function each(count: number, start: (i: number) => Promise<unknown>, verify: (reply: unknown, i: number) => boolean) {
  return new Promise<void>((resolve, reject) => {
    let missing = count
    const check = async (i: number): Promise<void> => {
      const reply = await start(i)
      if (!verify(reply, i)) reject(new Error(`Command ${i} got a wrong reply`))
      else if (--missing === 0) resolve()
    }
    for (let i = 0; i < count; i++) check(i).catch(reject)
  })
}

const work: Readonly<Record<Guarded, Work>> = {
  get: {
    commandsPerTurn: PER_TURN,
    turns: 60,
    turn: (client) =>
      each(
        PER_TURN,
        (i) => client.get(KEYS[i]!),
        (reply, i) => reply === VALUES[i],
      ),
  },
  set: {
    commandsPerTurn: PER_TURN,
    turns: 60,
    turn: (client) =>
      each(
        PER_TURN,
        (i) => client.set(KEYS[i]!, VALUES[i]!),
        (reply) => reply === 'OK',
      ),
  },
  pipeline: {
    commandsPerTurn: PIPELINE_KEYS.length,
    turns: 300,
    turn: (client) =>
      each(
        1,
        () => client.pipelineGets(PIPELINE_KEYS, PIPELINE_VALUES),
        (right) => right === true,
      ),
  },
  hgetall: {
    commandsPerTurn: 50,
    turns: 200,
    turn: (client) =>
      each(
        50,
        () => client.hgetall('guard:hash', HASH),
        (right) => right === true,
      ),
  },
}

/** The commands that put on the server what the guarded ones read. */
export function preparation(): string[][] {
  return [
    ['MSET', ...KEYS.flatMap((key, i) => [key, VALUES[i]!])],
    ['HSET', 'guard:hash', ...HASH.fields.flatMap((field, i) => [field, HASH.values[i]!])],
  ]
}

/** What disturbs a measurement (a chunk more, a timer of the runtime's) only ever adds. */
const REPEATS = 4

/**
 * Bytes the process allocates on the JavaScript heap per command, the least of several measurements. A young generation
 * larger than a whole measurement (node's --min-semi-space-size) keeps the garbage until the end, so that the growth is
 * what was allocated.
 * @throws Error when garbage was collected in between
 */
export async function bytesPerCommand(client: BenchClient, guarded: Guarded): Promise<number> {
  if (globalThis.gc === undefined) throw new Error('Allocations are measured with --expose-gc')
  const { turn, turns, commandsPerTurn } = work[guarded]
  // Until everything is compiled: the interpreter allocates more.
  for (let i = 0; i < 2 * turns; i++) await turn(client)
  let least = Number.POSITIVE_INFINITY
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    await nextTurn()
    globalThis.gc()
    least = Math.min(least, await growth(turn, client, turns))
  }
  return least / (turns * commandsPerTurn)
}

async function growth(turn: Work['turn'], client: BenchClient, turns: number): Promise<number> {
  const before = process.memoryUsage().heapUsed
  let last = before
  for (let i = 0; i < turns; i++) {
    await turn(client)
    if (i % 16 !== 0) continue
    const now = process.memoryUsage().heapUsed
    if (now < last) throw new Error('Garbage was collected during the measurement: the young generation is too small')
    last = now
  }
  return process.memoryUsage().heapUsed - before
}
