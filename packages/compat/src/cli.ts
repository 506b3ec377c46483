import { parseArgs } from 'node:util'
import { CLIENTS, type ClientName, type Scenario } from './harness/context.js'
import { runScenario, type Verdict } from './harness/run.js'
import { scenarios } from './scenarios/index.js'

/** Whether the library accepts this client at all. */
export function accepts(scenario: Scenario, client: ClientName): boolean {
  if (client === 'cenote') return scenario.needs === undefined
  return client === 'cenote/ioredis' || scenario.needs !== 'class Redis'
}

/** `npm run compat [-- --only bull] [--client cenote] [--parallel 2]`: every library on every client, as a table. */
export async function compatMain(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string', default: '' },
      client: { type: 'string', multiple: true, default: [...CLIENTS] },
      parallel: { type: 'string', default: '2' },
    },
  })
  const chosen = scenarios.filter(({ library }) => library.includes(values.only))
  const clients = CLIENTS.filter((client) => values.client.includes(client))
  const queue = chosen.flatMap((scenario) =>
    clients.filter((client) => accepts(scenario, client)).map((client) => ({ scenario, client })),
  )
  const verdicts: Verdict[] = []
  const work = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const verdict = await runScenario(next.scenario, next.client)
      verdicts.push(verdict)
      process.stderr.write(`${verdict.ok ? '✓' : '✗'} ${verdict.library} on ${verdict.client} (${verdict.ms} ms)\n`)
    }
  }
  await Promise.all(Array.from({ length: Number(values.parallel) }, work))
  print(chosen, clients, verdicts)
  return verdicts.every(({ ok }) => ok) && verdicts.length > 0 ? 0 : 1
}

function print(chosen: readonly Scenario[], clients: readonly ClientName[], verdicts: readonly Verdict[]): void {
  const width = Math.max(...chosen.map(({ library }) => library.length)) + 2
  const out = (text: string) => process.stdout.write(`${text}\n`)
  out(`${'library'.padEnd(width)}${clients.map((client) => client.padEnd(16)).join('')}`)
  for (const { library } of chosen) {
    const cells = clients.map((client) => {
      const verdict = verdicts.find((one) => one.library === library && one.client === client)
      return (verdict === undefined ? '–' : verdict.ok ? 'ok' : 'FAILED').padEnd(16)
    })
    out(`${library.padEnd(width)}${cells.join('')}`)
  }
  for (const { library, client, ok, problems } of verdicts) {
    if (!ok) out(`\n${library} on ${client}:\n${[...new Set(problems)].slice(0, 5).join('\n')}`)
  }
  out(
    `\n${verdicts.filter(({ ok }) => ok).length} of ${verdicts.length} passed; – means that the library refuses this client`,
  )
}
