import { fork } from 'node:child_process'
import { join } from 'node:path'
import { type RedisServer, startRedis } from '@cenote/test-support'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GUARDED, type Guarded } from '../src/guard/allocations.js'
import { BUDGET, GUARD_FLAGS, READS_PER_BATCH } from '../src/guard/budget.js'
import type { GuardJob, GuardReport } from '../src/guard/guard-main.js'

const MAIN = join(import.meta.dirname, '../dist/guard/guard-main.js')

let server: RedisServer

beforeAll(async () => {
  server = await startRedis()
})

afterAll(async () => {
  await server.stop()
})

function measure(job: Omit<GuardJob, 'target'>): Promise<GuardReport> {
  const target = { host: server.host, port: server.port, pid: server.pid }
  const child = fork(MAIN, [JSON.stringify({ ...job, target })], {
    execArgv: [...GUARD_FLAGS],
    env: { PATH: process.env.PATH },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  return new Promise((resolve, reject) => {
    let said = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    let report: GuardReport | undefined
    child.once('message', (message) => {
      report = message as GuardReport
    })
    child.once('close', (code) => {
      if (report === undefined) reject(new Error(`The measuring process ended with status ${code}: ${said}`))
      else resolve(report)
    })
  })
}

/** Bytes per command above the floor. */
function excess(report: GuardReport, guarded: Guarded): number {
  const { cenote, floor } = report.bytes[guarded]!
  return Math.round(cenote - floor)
}

describe('what a command costs, whatever the machine', () => {
  let report: GuardReport

  beforeAll(async () => {
    report = await measure({})
  })

  test.each(GUARDED)('%s allocates no more on the heap than its budget', (guarded) => {
    expect(excess(report, guarded)).toBeLessThanOrEqual(BUDGET[guarded])
  })

  test('a hundred commands issued at once share one write', () => {
    expect(report.readsPerBatch).toBeLessThanOrEqual(READS_PER_BATCH)
  })
})

describe('the guard itself', () => {
  test.each(['closure', 'timer'] as const)('notices one %s per command', async (waste) => {
    const report = await measure({ only: ['get'], waste })
    expect(excess(report, 'get')).toBeGreaterThan(BUDGET.get)
  })
})
