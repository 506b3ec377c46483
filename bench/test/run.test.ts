import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runningServers } from '@cenote/test-support'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
// The measuring processes run from the build; so does what starts them.
import { runBench, UsageError } from '../dist/main.js'
import type { BenchResult } from '../src/report/results.js'

let folder = ''

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cenote-bench-test-'))
})

afterAll(() => {
  rmSync(folder, { recursive: true })
})

async function bench(...args: string[]): Promise<{ status: number; printed: string }> {
  let printed = ''
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text)
    return true
  })
  try {
    return { status: await runBench(args), printed }
  } finally {
    write.mockRestore()
  }
}

describe('a run of the benchmark', () => {
  test('measures, prints, writes JSON and a picture, and leaves nothing behind', async () => {
    const picture = join(folder, 'pictures/bench.svg')
    const asked = ['--workload', 'hgetall-20', '--client', 'cenote,ioredis-auto', '--rounds', '2', '--window', '60']
    const { status, printed } = await bench(...asked, '--out', folder, '--picture', picture)
    expect(status).toBe(0)
    expect(printed).toMatch(/hgetall-20 2\/2 cenote: [\d,]+\/s/)
    expect(printed).toMatch(/HGETALL of 20 fields: cenote : ioredis-auto +at least 1\.5/)
    const file = readdirSync(folder).find((name) => name.endsWith('.json'))!
    const result = JSON.parse(readFileSync(join(folder, file), 'utf8')) as BenchResult
    expect(result).toMatchObject({ schemaVersion: 1, mode: 'custom', rounds: 2 })
    expect(result.workloads[0]?.clients.map(({ client, rounds }) => [client, rounds.length])).toEqual([
      ['cenote', 2],
      ['ioredis-auto', 2],
    ])
    expect(readFileSync(picture, 'utf8')).toContain('HGETALL of 20 fields')
    expect(runningServers()).toEqual([])

    rmSync(picture)
    const again = await bench('--from', join(folder, file), '--picture', picture)
    expect(again.printed).toContain('HGETALL of 20 fields')
    expect(existsSync(picture)).toBe(true)
  })

  test.each([
    [['--workload', 'nothing'], /There is no workload nothing/],
    [['--client', 'nobody'], /There is no client nobody/],
    [['--workload', 'lease', '--client', 'ioredis'], /leave no client in any workload/],
    [['--rounds', '0'], /--rounds must be a whole number of at least 1, not "0"/],
    [['--fast'], /--fast/],
    [['--from', import.meta.filename], /JSON/],
  ])('refuses %j with a reason', async (args, reason) => {
    await expect(bench(...args)).rejects.toThrow(UsageError)
    await expect(bench(...args)).rejects.toThrow(reason)
  })
})
