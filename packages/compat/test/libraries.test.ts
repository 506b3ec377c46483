import { describe, expect, test } from 'vitest'
import { accepts } from '../src/cli.js'
import { runScenario } from '../src/harness/run.js'
import { scenarios } from '../src/scenarios/index.js'

/** Two at a time: a scenario is a process and a server, and other test files run beside this one. */
let running = 0
const waiting: (() => void)[] = []
async function inTurn<T>(run: () => Promise<T>): Promise<T> {
  if (running >= 2) await new Promise<void>((resolve) => waiting.push(resolve))
  else running++
  try {
    return await run()
  } finally {
    const next = waiting.shift()
    if (next === undefined) running--
    else next()
  }
}

/** Libraries that test the class of the client get the pool that is an instance of it. */
describe.concurrent('takes the place of an ioredis instance, and leaves nothing behind', { timeout: 120_000 }, () => {
  test.each(scenarios.filter(({ slow }) => slow !== true))('in $library', async (scenario) => {
    const client = accepts(scenario, 'cenote') ? 'cenote' : 'cenote/ioredis'
    expect((await inTurn(() => runScenario(scenario, client))).problems).toEqual([])
  })
})
