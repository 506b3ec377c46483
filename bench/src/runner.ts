import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { startRedis } from '@cenote/test-support'
import type { Job, Outcome, Target } from './job.js'
import { orderOf, type PlannedWorkload } from './plan.js'
import type { ClientResult, WorkloadResult } from './report/results.js'
import type { Workload } from './workloads/types.js'

const MAIN = fileURLToPath(new URL('./measure-main.js', import.meta.url))
const PATIENCE_MS = 30_000

export interface RunSettings {
  readonly warmUpMs: number
  readonly windowMs: number
  /** No measurement is started after this time; what there is by then is reported. */
  readonly stopAt: number
}

export interface Step {
  readonly workload: Workload
  readonly client: string
  readonly round: number
  readonly rounds: number
  readonly number: number
  readonly total: number
  readonly outcome: Outcome
}

/**
 * Runs the plan, one fresh process and one fresh server per measurement. Every workload has its first round before any
 * has its second: rounds far apart in time see different disturbances, and a run cut short has something of everything.
 */
export async function runPlan(
  plan: readonly PlannedWorkload[],
  settings: RunSettings,
  onStep: (step: Step) => void,
): Promise<{ workloads: WorkloadResult[]; leftOut: number }> {
  const total = plan.reduce((sum, { clients, rounds }) => sum + clients.length * rounds, 0)
  const all = plan.map(({ workload, clients, rounds }) => ({
    workload,
    clients,
    rounds,
    results: new Map(clients.map((client) => [client, new Collected(client, rounds)])),
  }))
  let number = 0
  let leftOut = 0
  for (let round = 0; round < Math.max(...plan.map(({ rounds }) => rounds)); round++) {
    for (const { workload, clients, rounds, results } of all) {
      if (round >= rounds) continue
      for (const client of orderOf(clients, round)) {
        number++
        if (performance.now() > settings.stopAt) {
          leftOut++
          continue
        }
        const outcome = await measureOnce(workload, client, settings)
        results.get(client)!.add(round, outcome)
        onStep({ workload, client, round: round + 1, rounds, number, total, outcome })
      }
    }
  }
  const workloads = all.map(({ workload: { id, title, unit }, results }) => ({
    id,
    title,
    unit,
    clients: [...results.values()],
  }))
  return { workloads, leftOut }
}

class Collected implements ClientResult {
  readonly rounds: ClientResult['rounds'][number][]
  readonly errors: string[] = []

  constructor(
    readonly client: string,
    rounds: number,
  ) {
    this.rounds = new Array(rounds).fill(null)
  }

  add(round: number, outcome: Outcome): void {
    if (outcome.ok) this.rounds[round] = outcome.measurement
    else if (!this.errors.includes(outcome.error)) this.errors.push(outcome.error)
  }
}

async function measureOnce(workload: Workload, client: string, settings: RunSettings): Promise<Outcome> {
  await using server = await startRedis({
    tls: workload.tls === true,
    // A hundred and sixty connections and the harness' own; large replies must not be cut off.
    config: { maxclients: 2000, 'client-output-buffer-limit': 'normal 0 0 0' },
  })
  const target: Target = {
    host: server.host,
    port: server.port,
    pid: server.pid,
    ...(workload.tls === true && server.tls ? { tls: { port: server.tls.port, ca: server.tls.ca } } : {}),
  }
  const longer = workload.longer ?? 1
  const { warmUpMs, windowMs } = settings
  // Awaited here: the server must not go before the process that measures it.
  return await inFreshProcess(
    { workload: workload.id, client, warmUpMs, windowMs: windowMs * longer, target },
    workload.nodeFlags ?? [],
  )
}

/** Variables that would change how a client behaves, cenote's included. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env, NODE_ENV: 'production' }
  for (const name of Object.keys(env)) {
    if (name.startsWith('REDIS_') || name === 'DEPLOYMENT_ENV' || name === 'NODE_OPTIONS') delete env[name]
  }
  return env
}

async function inFreshProcess(job: Job, flags: readonly string[]): Promise<Outcome> {
  const child = fork(MAIN, [JSON.stringify(job)], {
    execArgv: [...flags],
    env: cleanEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-2000)
    })
  }
  let outcome: Outcome | undefined
  child.on('message', (message) => {
    outcome = message as Outcome
  })
  let late = false
  const timer = setTimeout(() => {
    late = true
    child.kill('SIGKILL')
  }, PATIENCE_MS + job.windowMs)
  const status = await new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code, signal) => resolve(signal ?? `status ${code}`))
  })
  clearTimeout(timer)
  if (outcome !== undefined) return outcome
  const why = late ? `gave no result within ${(PATIENCE_MS + job.windowMs) / 1000} s` : `ended with ${status}`
  return { ok: false, error: `The measuring process ${why}. ${said.trim().slice(-500)}`.trim() }
}
