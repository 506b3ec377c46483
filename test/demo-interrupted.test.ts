import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { processesMarked } from './support/leftovers.js'
import { root } from './support/sources.js'

/** Its path is the mark by which everything that the demo starts is known: all of it has TMPDIR in its environment. */
let folder = ''
let results = ''
beforeEach(() => {
  results = mkdtempSync(join(tmpdir(), 'cenote-results-'))
  folder = mkdtempSync(join(tmpdir(), 'cenote-interrupted-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
  rmSync(results, { recursive: true, force: true })
})

/** Runs the demo, sends `signal` as soon as its output has `moment`, and returns its exit status or signal. */
async function interrupt(moment: RegExp, signal: NodeJS.Signals): Promise<number | NodeJS.Signals | null> {
  const args = [join(root, 'scripts/demo.mjs'), 'baseline', '--duration', '5s', '--out', results]
  const child = spawn(process.execPath, args, {
    env: { ...process.env, TMPDIR: folder, REDIS_URL: '', CENOTE_SET_UP: 'done' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  let sent = false
  const onOutput = (bytes: Buffer) => {
    output += bytes
    if (sent || !moment.test(output)) return
    sent = true
    child.kill(signal)
  }
  child.stdout.on('data', onOutput)
  child.stderr.on('data', onOutput)
  const end = await new Promise<number | NodeJS.Signals | null>((resolve) =>
    child.once('close', (code, endSignal) => resolve(code ?? endSignal)),
  )
  expect(sent, output).toBe(true)
  return end
}

/** After a SIGKILL the guardian cleans up when nobody is left to announce it: look until it has. */
async function expectNothingLeft(withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs
  const left = () => [...processesMarked(folder), ...readdirSync(folder)]
  while (left().length > 0 && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20))
  expect(left()).toEqual([])
}

test.each([
  ['at its very start', /• Redis server/],
  ['while Redis starts', /✓ Redis server/],
  ['while the accounts are made', /• 500 accounts/],
  ['while the service starts', /• Authentication service/],
  ['as soon as the service listens', /✓ Authentication service/],
  ['while the users log in', /baseline \S+ +\S* *login/],
])('Ctrl-C %s leaves no process and no temporary folder', async (_, moment) => {
  expect(await interrupt(moment, 'SIGINT')).toBe(130)
  await expectNothingLeft(2_000)
})

test('SIGTERM ends the demo in the same way', async () => {
  expect(await interrupt(/✓ Authentication service/, 'SIGTERM')).toBe(143)
  await expectNothingLeft(2_000)
})

test('even SIGKILL in the middle of the load leaves no process and no temporary folder', async () => {
  expect(await interrupt(/baseline \S+ +\S* *login/, 'SIGKILL')).toBe('SIGKILL')
  await expectNothingLeft(10_000)
})
