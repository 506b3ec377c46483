import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type BenchOptions, parseOptions, USAGE } from './cli.js'
import { describeMachine, versions } from './machine.js'
import { makePlan } from './plan.js'
import { goals } from './report/goals.js'
import { renderPicture } from './report/picture.js'
import { type BenchResult, isOurs } from './report/results.js'
import { goalTable, short, summary } from './report/table.js'
import { runPlan, type Step } from './runner.js'
import { catalogue } from './workloads/index.js'

/** Quick mode promises two minutes; the last measurement and the report need some of them. */
const QUICK_LIMIT_MS = 105_000

/** The options cannot be used; the message says why. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

function usable<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

/**
 * The whole benchmark, for a terminal.
 * @returns exit status
 * @throws UsageError
 */
export async function runBench(args: readonly string[]): Promise<number> {
  const options = usable(() => parseOptions(args))
  if (options.help) {
    print(USAGE)
    return 0
  }
  if (options.list) {
    for (const { workload, clients } of catalogue) print(`${workload.id.padEnd(14)} ${clients.join(', ')}`)
    return 0
  }
  if (options.from !== undefined) {
    const result = readResult(options.from)
    print(`${summary(result)}\n\n${goalTable(goals(result))}`)
    if (options.picture !== undefined) write(options.picture, renderPicture(result))
    return 0
  }
  return measure(options)
}

function readResult(path: string): BenchResult {
  return usable(() => {
    const result = JSON.parse(readFileSync(path, 'utf8')) as BenchResult
    if (result.schemaVersion !== 1) throw new Error(`${path} is not a result of this benchmark`)
    return result
  })
}

async function measure(options: BenchOptions): Promise<number> {
  const plan = usable(() => makePlan(options))
  if (plan.length === 0) throw new UsageError('Nothing to measure: the filters leave no client in any workload')
  const startedAt = new Date()
  const began = performance.now()
  const { warmUpMs, windowMs } = options
  const filtered = options.workloads.length > 0 || options.clients.length > 0
  const stopAt = options.quick && !filtered ? began + QUICK_LIMIT_MS : Number.POSITIVE_INFINITY
  const { workloads, leftOut } = await runPlan(plan, { warmUpMs, windowMs, stopAt }, (step) => progress(step, began))

  const result: BenchResult = {
    schemaVersion: 1,
    startedAt: startedAt.toISOString(),
    finishedAt: new Date().toISOString(),
    mode: filtered ? 'custom' : options.quick ? 'quick' : 'full',
    rounds: Math.max(...plan.map(({ rounds }) => rounds)),
    windowMs,
    machine: await describeMachine(),
    versions: versions(),
    workloads,
  }
  const reached = goals(result)
  print(`\n${summary(result)}\n\n${goalTable(reached)}\n`)
  if (leftOut > 0) print(`${leftOut} measurements were left out to keep within two minutes.`)
  const name = `bench-${result.startedAt.replace(/[:.]/g, '-')}`
  write(join(options.out, `${name}.json`), `${JSON.stringify({ ...result, goals: reached }, undefined, 1)}\n`)
  const picture = renderPicture(result)
  write(join(options.out, `${name}.svg`), picture)
  if (options.picture !== undefined) write(options.picture, picture)
  const failed = workloads.some(({ clients }) =>
    clients.some(({ client, errors }) => isOurs(client) && errors.length > 0),
  )
  return failed ? 1 : 0
}

function progress({ workload, client, round, rounds, number, total, outcome }: Step, began: number): void {
  const elapsed = (performance.now() - began) / 1000
  const left = (elapsed / number) * (total - number)
  const figures = outcome.ok ? describe(outcome.measurement) : `✗ ${outcome.error.split('\n')[0]}`
  const at = `[${String(number).padStart(String(total).length)}/${total}, ${Math.ceil(left)} s left]`
  print(`${at} ${workload.id} ${round}/${rounds} ${client}: ${figures}`)
}

function describe({
  perSecond,
  cpuUs,
  latencyMs,
  extra,
}: Extract<Step['outcome'], { ok: true }>['measurement']): string {
  const parts = [
    perSecond === undefined ? undefined : `${Math.round(perSecond).toLocaleString('en-US')}/s`,
    cpuUs === undefined ? undefined : `${short(cpuUs)} µs CPU`,
    latencyMs === undefined ? undefined : `p99 ${short(latencyMs.p99)} ms`,
    ...(perSecond === undefined ? Object.entries(extra ?? {}).map(([name, value]) => `${name} ${short(value)}`) : []),
  ]
  return parts.filter((part) => part !== undefined).join(', ')
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  print(`${path} written`)
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
