import { parseArgs } from 'node:util'
import { wholeNumber } from '../arguments.js'
import { readTopology } from '../topology/cli.js'
import { measureTopologyGoals } from '../topology/goals.js'
import { measureFleet } from './fleet.js'
import { measureGoodput } from './goodput.js'
import { measureReconnect } from './reconnect.js'

const USAGE = `npm run chaos:goals -- [reconnect|goodput|fleet]
npm run chaos:goals -- --topology cluster|sentinel [--client name] [--rounds n]

  --client  of whom. Default: cenote
  --rounds  seeds per goal; the median counts. Default 3`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    topology: { type: 'string' },
    client: { type: 'string', default: 'cenote' },
    rounds: { type: 'string', default: '3' },
    help: { type: 'boolean', default: false },
  },
})
const [only = 'all'] = positionals
const topology = values.help ? undefined : readTopology(values.topology)
const wanted = (name: string): boolean => !values.help && topology === undefined && (only === 'all' || only === name)

const verdicts: boolean[] = []
function report(name: string, holds: boolean, result: object): void {
  verdicts.push(holds)
  process.stdout.write(`${holds ? 'holds ' : 'BROKEN'} ${name}\n       ${JSON.stringify(result)}\n`)
}

if (wanted('reconnect')) {
  const result = await measureReconnect(1_000)
  const holds = result.firstSuccessMs <= 300 && result.sentPerAsked <= 1.1
  report('1,000 callers after a restart: first success within 300 ms, at most 1.1 sends per request', holds, result)
}
if (wanted('goodput')) {
  const slow = await measureGoodput({ deadlineMs: 1_000, seconds: 6, work: 100_000 })
  report('three times what a slow server can do: 90 % of it answered in time', slow.share >= 0.9, slow)
}
if (wanted('fleet')) {
  const result = await measureFleet(64)
  const holds = result.mostDialsPerSecond <= result.cap && result.served === result.processes
  report('64 processes after a restart: dials under the cap, all served', holds, result)
}
if (values.help) process.stdout.write(`${USAGE}\n`)
if (topology === 'unknown') verdicts.push(false)
else if (topology !== undefined)
  await measureTopologyGoals(topology, values.client, wholeNumber('rounds', values.rounds, 1), report)
process.exitCode = verdicts.every(Boolean) ? 0 : 1
