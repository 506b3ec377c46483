import { topologyClients } from './clients/index.js'
import { topologyScenarios } from './faults/all.js'
import { runTopologyFault } from './measure.js'

/** `worker.js <topology> <fault> <client> <seed>`: one pair in a process of its own; the result goes to the parent. */
const [topology, fault, name, seed] = process.argv.slice(2)
const firstLines = (error: Error): string => (error.stack ?? String(error)).slice(0, 300)
const scenario = topologyScenarios.find((one) => one.topology === topology && one.name === fault)
const open = topologyClients[topology as 'cluster' | 'sentinel']?.[name ?? '']
if (scenario === undefined || open === undefined) throw new Error(`No fault ${fault} or no client ${name}`)
// Clients that throw outside any call would end the process and with it the measurement; that they do is noted.
let uncaught = 0
process.on('uncaughtException', () => uncaught++)
process.on('unhandledRejection', () => uncaught++)
for (const end of ['SIGTERM', 'disconnect']) process.once(end, () => process.exit(1))
const result = await runTopologyFault(scenario, Number(seed), open).catch((error: Error) => ({
  failed: firstLines(error),
}))
process.send?.({ ...result, uncaught }, () => process.exit(0))
