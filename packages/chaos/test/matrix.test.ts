import { describe, expect, it } from 'vitest'
import { scenarios } from '../src/faults/all.js'
import { Network } from '../src/network.js'
import { runFault } from '../src/run.js'

const seed = Number(process.env.CHAOS_SEED ?? Date.now() % 1_000_000)
const missing = Network.unavailable()
if (missing !== undefined) console.info(`Faults of the network are left out: ${missing}`)
const short = scenarios.filter(({ long, path }) => long !== true && (path !== 'network' || missing === undefined))

/** The long form is `npm run chaos`. A failure names its seed: `npm run chaos -- --fault <name> --seed <seed>`. */
describe(`every command settles once, in time, with an outcome that the server bears out (seed ${seed})`, () => {
  it.each(short.map((scenario) => [scenario.title, scenario] as const))('%s', async (_title, scenario) => {
    const result = await runFault(scenario, seed)
    expect(result.violations).toEqual([])
    expect(result.calls).toBeGreaterThan(0)
  })
})
