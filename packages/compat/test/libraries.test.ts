import { describe, expect, test } from 'vitest'
import { accepts } from '../src/cli.js'
import { runScenario } from '../src/harness/run.js'
import { scenarios } from '../src/scenarios/index.js'

/** Libraries that test the class of the client get the pool that is an instance of it. */
describe.concurrent('takes the place of an ioredis instance, and leaves nothing behind', { timeout: 60_000 }, () => {
  test.each(scenarios.filter(({ slow }) => slow !== true))('in $library', async (scenario) => {
    const client = accepts(scenario, 'cenote') ? 'cenote' : 'cenote/ioredis'
    expect((await runScenario(scenario, client)).problems).toEqual([])
  })
})
