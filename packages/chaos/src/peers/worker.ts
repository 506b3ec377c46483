import { scenarios } from '../faults/all.js'
import { commandLoad } from '../load/roles.js'
import { runHere } from '../run.js'
import { peers } from './clients.js'

/** One fault, one client, one process: what a client leaves behind cannot touch the next one. */
const [fault, name, seed] = process.argv.slice(2)
const scenario = scenarios.find((one) => one.name === fault)
const open = peers[name ?? '']
if (scenario === undefined || open === undefined) throw new Error(`No fault ${fault} or no client ${name}`)
// Clients that throw outside any call would end the process and with it the measurement; that they do is noted.
let uncaught = 0
process.on('uncaughtException', () => uncaught++)
process.on('unhandledRejection', () => uncaught++)
for (const end of ['SIGTERM', 'disconnect']) process.once(end, () => process.exit(1))
// What every client can do: who blocks, borrows or subscribes needs each client's own way of doing so.
const result = await runHere({ ...scenario, roles: scenario.roles ?? commandLoad() }, Number(seed), open)
process.send?.({ ...result, uncaught }, () => process.exit(0))
