import { describe, expect, it } from 'vitest'
import { scenarios } from '../src/faults/all.js'
import { pending, pendingWholeLoad } from '../src/faults/pending.js'
import { commandLoad } from '../src/load/roles.js'
import { Network } from '../src/network.js'
import { runFault } from '../src/run.js'

const seed = Number(process.env.CHAOS_SEED ?? Date.now() % 1_000_000)
const missing = Network.unavailable()
if (missing !== undefined) console.info(`Faults of the network are left out: ${missing}`)
const short = scenarios
  .filter(({ long, path }) => long !== true && (path !== 'network' || missing === undefined))
  .filter(({ name }) => !(name in pending))
  .map((scenario) => (scenario.name in pendingWholeLoad ? { ...scenario, roles: commandLoad() } : scenario))

/** The long form is `npm run chaos`. A failure names its seed: `npm run chaos -- --fault <name> --seed <seed>`. */
describe(`every request settles once, in time, with an outcome that the server bears out (seed ${seed})`, () => {
  it.each(short.map((scenario) => [scenario.title, scenario] as const))('%s', async (_title, scenario) => {
    const result = await runFault(scenario, seed)
    expect(result.violations).toEqual([])
    expect(result.calls).toBeGreaterThan(0)
  })
})

it('names only faults that exist as pending', () => {
  const names = scenarios.map(({ name }) => name)
  for (const name of Object.keys({ ...pending, ...pendingWholeLoad })) expect(names).toContain(name)
})
