import { mkdirSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { wholeNumber } from './arguments.js'
import { scenarios } from './faults/all.js'
import { head, line } from './report.js'
import { type FaultResult, runFault } from './run.js'
import { readTopology, runTopologies } from './topology/cli.js'
import { topologyScenarios } from './topology/faults/all.js'

const USAGE = `npm run chaos -- [--topology t] [--seed n] [--fault name]... [--runs n] [--short] [--messages] [--list]

  --topology  cluster or sentinel. Default: one server
  --seed      first seed; every further run adds one. Default: from the clock. The output names it.
  --fault     only this one; may be given several times
  --runs      how often the matrix is run. Default 1
  --short     without the faults that take longer than a few seconds
  --messages  print one of each error message that callers got
  --list      name the faults`

const { values } = parseArgs({
  options: {
    topology: { type: 'string' },
    seed: { type: 'string' },
    fault: { type: 'string', multiple: true },
    runs: { type: 'string', default: '1' },
    short: { type: 'boolean', default: false },
    messages: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

/** A fault that hangs must not hang the matrix. */
const LIMIT_MS = 60_000

async function main(): Promise<number> {
  if (values.help) {
    process.stdout.write(`${USAGE}\n`)
    return 0
  }
  const firstSeed = values.seed === undefined ? Date.now() % 1_000_000 : wholeNumber('seed', values.seed)
  const runs = wholeNumber('runs', values.runs, 1)
  const topology = readTopology(values.topology)
  if (topology === 'unknown') return 2
  if (topology !== undefined) {
    if (values.list) {
      for (const { name, title, number } of topologyScenarios.filter((one) => one.topology === topology)) {
        process.stdout.write(`${String(number).padStart(2)}  ${name.padEnd(28)} ${title}\n`)
      }
      return 0
    }
    const { fault: faults, short, messages } = values
    return runTopologies({ topology, faults, clients: ['cenote'], seed: firstSeed, runs, short, messages }, true)
  }
  if (values.list) {
    for (const { name, title } of scenarios) process.stdout.write(`${name.padEnd(28)} ${title}\n`)
    return 0
  }
  const unknown = values.fault?.find((name) => !scenarios.some((scenario) => scenario.name === name))
  if (unknown !== undefined) {
    process.stderr.write(`There is no fault ${unknown}; --list names them\n`)
    return 2
  }
  const chosen = scenarios.filter(
    ({ name, long }) => (values.fault === undefined || values.fault.includes(name)) && !(values.short && long === true),
  )
  const results: FaultResult[] = []
  for (let run = 0; run < runs; run++) {
    const seed = firstSeed + run
    process.stdout.write(`\nseed ${seed}\n${head()}\n`)
    for (const scenario of chosen) {
      const result = await bounded(scenario.name, seed, () => runFault(scenario, seed))
      results.push(result)
      process.stdout.write(`${line(result)}\n`)
      if (values.messages) for (const message of result.messages) process.stdout.write(`    ${message}\n`)
    }
  }
  mkdirSync('results', { recursive: true })
  const path = `results/chaos-${new Date().toISOString().replace(/[:.]/g, '-')}.json`
  writeFileSync(path, `${JSON.stringify({ at: new Date().toISOString(), firstSeed, runs, results }, null, 1)}\n`)
  const broken = results.filter(({ violations }) => violations.length > 0)
  const skipped = results.filter((result) => result.skipped !== undefined).length
  process.stdout.write(
    `\n${results.length - broken.length - skipped} held, ${broken.length} broken, ${skipped} not run; ${path}\n`,
  )
  for (const { fault, seed } of broken)
    process.stdout.write(`again: npm run chaos -- --fault ${fault} --seed ${seed}\n`)
  return broken.length === 0 ? 0 : 1
}

async function bounded(fault: string, seed: number, start: () => Promise<FaultResult>): Promise<FaultResult> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<FaultResult>((resolve) => {
    // Begun before the watch for leaks, so that it is none.
    timer = setTimeout(() => {
      const violations = [`took longer than ${LIMIT_MS} ms`]
      resolve({ fault, client: '', seed, calls: 0, violations, messages: [] })
    }, LIMIT_MS)
  })
  try {
    return await Promise.race([start(), late])
  } catch (error) {
    return { fault, client: '', seed, calls: 0, violations: [`failed: ${(error as Error).stack}`], messages: [] }
  } finally {
    clearTimeout(timer)
  }
}

// Leaving by exit() lets what was made clean up after itself.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

process.exitCode = await main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`)
  return 2
})
