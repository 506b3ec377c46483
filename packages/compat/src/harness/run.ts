import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { startRedis } from '@cenote/test-support'
import type { ClientName, Scenario } from './context.js'

export interface Verdict {
  readonly library: string
  readonly client: ClientName
  readonly ok: boolean
  readonly problems: readonly string[]
  readonly ms: number
}

const child = fileURLToPath(new URL('../../dist/harness/child.js', import.meta.url))

/** One scenario on one client, against a server of its own. Never rejects for what the scenario does. */
export async function runScenario(scenario: Scenario, client: ClientName): Promise<Verdict> {
  await using server = await startRedis()
  const start = performance.now()
  const { output, timedOut } = await spawned(
    [child, scenario.library, client, String(server.port)],
    scenario.timeoutMs ?? 15_000,
  )
  const ms = Math.round(performance.now() - start)
  const verdict = { library: scenario.library, client, ms }
  if (timedOut) return { ...verdict, ok: false, problems: [`no result after ${ms} ms`, output.slice(-2_000)] }
  const last = output.trim().split('\n').at(-1) ?? ''
  try {
    const { ok, problems } = JSON.parse(last) as { ok: boolean; problems: string[] }
    return { ...verdict, ok, problems }
  } catch {
    return { ...verdict, ok: false, problems: [output.slice(-2_000)] }
  }
}

function spawned(args: string[], timeoutMs: number): Promise<{ output: string; timedOut: boolean }> {
  return new Promise((resolve, reject) => {
    const env = { PATH: process.env.PATH, HOME: process.env.HOME }
    const started = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env })
    let output = ''
    let timedOut = false
    const timer = setTimeout(() => {
      timedOut = true
      started.kill('SIGKILL')
    }, timeoutMs)
    const collect = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-100_000)
    }
    started.stdout.on('data', collect)
    started.stderr.on('data', collect)
    started.once('error', reject)
    started.once('close', () => {
      clearTimeout(timer)
      resolve({ output, timedOut })
    })
  })
}
