import { fork } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { wholeNumber } from '../arguments.js'
import { scenarios } from '../faults/all.js'
import { freeze } from '../own-process.js'
import type { FaultResult } from '../run.js'
import { readTopology, runTopologies } from '../topology/cli.js'
import { peers } from './clients.js'
import { markdown, type PeerResult, peerHead, peerLine } from './table.js'

const USAGE = `npm run chaos:peers -- [--topology t] [--fault name]... [--client name]... [--seed n] [--from file] [--markdown file]

Every fault against every client, each pair in a process of its own.

  --topology  cluster or sentinel. Default: one server
  --fault     only this one; may be given several times
  --client    measure only this one; may be given several times
  --from      take what is not measured now from the results of an earlier run
  --messages  print one of each error message that callers got (topologies only)
  --markdown  also write the tables to this file`

/** What a fault and its aftermath take at most; a client that is stuck is cut short. */
const LIMIT_MS = 45_000

const { values } = parseArgs({
  options: {
    topology: { type: 'string' },
    fault: { type: 'string', multiple: true },
    client: { type: 'string', multiple: true },
    seed: { type: 'string', default: '1' },
    from: { type: 'string' },
    markdown: { type: 'string' },
    messages: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

function measure(fault: string, client: string, seed: string): Promise<PeerResult> {
  return new Promise((resolve) => {
    const nothing: FaultResult = { fault, client, seed: Number(seed), calls: 0, violations: [], messages: [] }
    const worker = fork(fileURLToPath(new URL('./worker.js', import.meta.url)), [fault, client, seed], {
      stdio: 'ignore',
    })
    const timer = setTimeout(() => worker.kill(worker.killed ? 'SIGKILL' : 'SIGTERM'), LIMIT_MS)
    let result: PeerResult = { ...nothing, uncaught: 0, stuck: true }
    worker.on('message', (message: { freezeMs: number } | object) => {
      if ('freezeMs' in message) freeze(worker, message.freezeMs)
      else result = { ...(message as FaultResult & { uncaught: number }), client, stuck: false }
    })
    worker.once('exit', () => {
      clearTimeout(timer)
      resolve(result)
    })
  })
}

async function main(): Promise<number> {
  if (values.help) {
    process.stdout.write(`${USAGE}\n`)
    return 0
  }
  const topology = readTopology(values.topology)
  if (topology === 'unknown') return 2
  if (topology !== undefined) {
    const { fault, client, markdown: file, messages } = values
    const run = {
      faults: fault,
      clients: client,
      seed: wholeNumber('seed', values.seed),
      runs: 1,
      short: false,
      messages,
      markdown: file,
    }
    return runTopologies({ topology, ...run }, false)
  }
  const faults = scenarios.filter(
    ({ name, cenoteOnly }) => cenoteOnly !== true && (values.fault === undefined || values.fault.includes(name)),
  )
  const earlier =
    values.from === undefined ? [] : (JSON.parse(readFileSync(values.from, 'utf8')).results as PeerResult[])
  const clients = Object.keys(peers)
  const results: PeerResult[] = []
  for (const fault of faults) {
    process.stdout.write(`\n${fault.title}\n${peerHead()}\n`)
    for (const client of clients) {
      const known = earlier.find((one) => one.fault === fault.name && one.client === client)
      const wanted = values.client === undefined ? known === undefined : values.client.includes(client)
      const result = wanted ? await measure(fault.name, client, values.seed) : known
      if (result === undefined) continue
      results.push(result)
      process.stdout.write(`${peerLine(result)}\n`)
    }
  }
  mkdirSync('results', { recursive: true })
  const path = `results/chaos-peers-${new Date().toISOString().replace(/[:.]/g, '-')}.json`
  writeFileSync(path, `${JSON.stringify({ at: new Date().toISOString(), seed: values.seed, results }, null, 1)}\n`)
  if (values.markdown !== undefined) writeFileSync(values.markdown, markdown(faults, clients, results))
  process.stdout.write(`\n${path}\n`)
  return 0
}

process.exitCode = await main()
