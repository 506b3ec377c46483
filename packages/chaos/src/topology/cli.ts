import { fork } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { topologyClients } from './clients/index.js'
import type { TopologyFault } from './faults/all.js'
import { topologyScenarios } from './faults/all.js'
import type { TopologyResult } from './measure.js'
import { topologyHead, topologyLine, topologyMarkdown } from './table.js'

export interface TopologyRun {
  readonly topology: 'cluster' | 'sentinel'
  readonly faults: readonly string[] | undefined
  readonly clients: readonly string[] | undefined
  readonly seed: number
  readonly runs: number
  readonly short: boolean
  readonly messages: boolean
  readonly markdown?: string | undefined
}

/** Says what is wrong with another word. */
export function readTopology(word: string | undefined): 'cluster' | 'sentinel' | 'unknown' | undefined {
  if (word === undefined || word === 'cluster' || word === 'sentinel') return word
  process.stderr.write(`--topology is cluster or sentinel, not ${word}\n`)
  return 'unknown'
}

/** What a fault and its aftermath take at most; a client that is stuck is cut short. */
const LIMIT_MS = 90_000

/** Every chosen fault against every chosen client, each pair in a process of its own. */
export async function runTopologies(run: TopologyRun, judged: boolean): Promise<number> {
  const known = topologyScenarios.filter(({ topology }) => topology === run.topology)
  const unknown = run.faults?.find((name) => !known.some((one) => one.name === name))
  if (unknown !== undefined) {
    process.stderr.write(`There is no fault ${unknown} for ${run.topology}; --list names them\n`)
    return 2
  }
  const stranger = run.clients?.find((name) => !(name in topologyClients[run.topology]))
  if (stranger !== undefined) {
    const names = Object.keys(topologyClients[run.topology]).join(', ')
    process.stderr.write(`There is no client ${stranger} for ${run.topology}; there are ${names}\n`)
    return 2
  }
  const faults = known.filter(
    ({ name, long }) => (run.faults === undefined || run.faults.includes(name)) && !(run.short && long === true),
  )
  const results: TopologyResult[] = []
  for (let i = 0; i < run.runs; i++) {
    for (const fault of faults) {
      process.stdout.write(
        `\n${fault.number}. ${fault.title} (${fault.name}, seed ${run.seed + i})\n${topologyHead()}\n`,
      )
      for (const client of run.clients ?? Object.keys(topologyClients[run.topology])) {
        const result = await inOwnProcess(fault, client, run.seed + i)
        if (typeof result === 'string') {
          process.stdout.write(`${client.padEnd(26)}  ${result}\n`)
          if (judged) results.push(nothing(fault, client, run.seed + i, result))
          continue
        }
        results.push(result)
        process.stdout.write(`${topologyLine(result)}\n`)
        if (judged) for (const text of result.violations) process.stdout.write(`    ✗ ${text}\n`)
        if (run.messages) for (const text of result.messages) process.stdout.write(`    ${text}\n`)
      }
    }
  }
  mkdirSync('results', { recursive: true })
  const path = `results/chaos-${run.topology}-${new Date().toISOString().replace(/[:.]/g, '-')}.json`
  writeFileSync(path, `${JSON.stringify({ at: new Date().toISOString(), ...run, results }, null, 1)}\n`)
  if (run.markdown !== undefined) writeFileSync(run.markdown, topologyMarkdown(faults, results))
  const broken = results.filter(({ violations }) => violations.length > 0)
  if (judged) process.stdout.write(`\n${results.length - broken.length} held, ${broken.length} broken`)
  process.stdout.write(`\n${path}\n`)
  return judged && broken.length > 0 ? 1 : 0
}

/** One fault against one client; a text instead of a result says why there is none. */
export function inOwnProcess(fault: TopologyFault, client: string, seed: number): Promise<TopologyResult | string> {
  const reason = fault.notFor?.[client]
  if (reason !== undefined) return Promise.resolve(`not run: ${reason}`)
  return new Promise((resolve) => {
    const program = fileURLToPath(new URL('./worker.js', import.meta.url))
    const worker = fork(program, [fault.topology, fault.name, client, String(seed)], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    let words = ''
    worker.stderr!.on('data', (chunk) => {
      words = (words + chunk).slice(-1_000)
    })
    const timer = setTimeout(() => worker.kill(worker.killed ? 'SIGKILL' : 'SIGTERM'), LIMIT_MS)
    let result: TopologyResult | string | undefined
    worker.on('message', (message: TopologyResult & { failed?: string }) => {
      result = message.failed === undefined ? { ...message, client } : `failed: ${message.failed}`
    })
    worker.once('exit', () => {
      clearTimeout(timer)
      resolve(result ?? `no result. ${words}`)
    })
  })
}

function nothing(fault: TopologyFault, client: string, seed: number, violation: string): TopologyResult {
  return {
    fault: fault.name,
    number: fault.number,
    client,
    seed,
    calls: 0,
    errors: { touched: 0, others: 0 },
    unsettled: { hung: 0, unsaid: 0 },
    lost: { excused: 0, unexcused: 0, neverRan: 0 },
    ranTwice: 0,
    refreshes: 0,
    violations: [violation],
    messages: [],
  }
}
