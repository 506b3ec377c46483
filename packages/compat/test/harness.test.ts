import { describe, expect, test } from 'vitest'
import { runScenario } from '../src/harness/run.js'
import { selfTests } from '../src/scenarios/self-tests.js'

const seen: Readonly<Record<string, RegExp>> = {
  'a connection':
    /connections left behind[\s\S]*name=forgotten|A connection was opened that is not of the client handed in/,
  'a key': /keys left behind/,
  'a busy process': /The process is held by .*Timeout/,
  'a rejection': /unhandled rejection: Error: nobody listens/,
  'a wrong result': /expected 1, got 2/,
}

describe.concurrent('a scenario fails that leaves', { timeout: 60_000 }, () => {
  test.each(selfTests)('$library', async (scenario) => {
    const { ok, problems } = await runScenario(scenario, 'cenote')
    expect(ok).toBe(false)
    expect(problems.join('\n')).toMatch(seen[scenario.library]!)
  })
})
