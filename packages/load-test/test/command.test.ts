import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Result, runScenario } from '../src/index.js'
import type { FakeAuthServer } from './fake-auth-server.js'
import { fakeServer } from './support.js'

const BIN = fileURLToPath(new URL('../bin/cenote-load.mjs', import.meta.url))
const QUICK = ['--users', '10', '--ramp', '0', '--think-time', '20ms', '--login-rate', '1000', '--min-requests', '10']

interface Ended {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

let server: FakeAuthServer
let folder: string

beforeEach(async () => {
  server = await fakeServer()
  folder = await mkdtemp(join(tmpdir(), 'cenote-load-test-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

/** Runs the command as a user does; it must end by itself, so nothing may be left open in it. */
function command(args: readonly string[], onOutput?: (text: string, kill: (signal: NodeJS.Signals) => void) => void) {
  const { CENOTE_LOAD_TARGET: _, ...env } = process.env
  const child = spawn(process.execPath, [BIN, '--out', folder, ...args], {
    env: { ...env, CENOTE_LOAD_PASSWORD: server.password },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  child.stdout.on('data', (chunk) => {
    stdout += chunk
    onOutput?.(stdout, (signal) => child.kill(signal))
  })
  return new Promise<Ended>((resolve) => {
    child.once('close', (status) => resolve({ status, stdout, stderr }))
  })
}

describe('cenote-load', () => {
  it('exits 0 when every threshold is met, leaving the files it names', async () => {
    const ended = await command(['--target', server.url, '--duration', '400ms', ...QUICK])
    expect(ended.stderr).toBe('')
    expect(ended.status).toBe(0)
    expect(ended.stdout).toContain('PASSED')
    const files = await readdir(folder)
    expect(files).toHaveLength(2)
    for (const file of files) expect(ended.stdout).toContain(join(folder, file))
  })

  it('exits 1 when one is missed, and says which', async () => {
    const ended = await command(['--target', server.url, '--duration', '300ms', ...QUICK, '--max-p95', '0.001ms'])
    expect(ended.status).toBe(1)
    expect(ended.stdout).toMatch(/p95 \(ms\) +at most .* MISSED/)
    expect(ended.stdout).toContain('FAILED')
  })

  it.each([
    [['--userz', '3'], /unknown option '--userz'/],
    [['nonsense'], /scenario must be one of baseline/],
    [['--duration', '10'], /Give a number with its unit/],
    [['--rate', '5', '--think-time', '1s'], /cannot be used with/],
    [['--target', 'http://127.0.0.1:1'], /no answer from http:\/\/127\.0\.0\.1:1/],
  ])('exits 2 for %j', async (args, message) => {
    const ended = await command(args)
    expect(ended.status).toBe(2)
    expect(ended.stderr).toMatch(message)
    expect(await readdir(folder)).toEqual([])
  })

  it('with --json prints nothing but the result to stdout', async () => {
    const ended = await command(['--target', server.url, '--duration', '300ms', ...QUICK, '--json'])
    const result = JSON.parse(ended.stdout) as Result
    expect(result.total.requests).toBe(server.seen.length)
    expect(ended.stderr).toContain('PASSED')
  })

  it('stopped by Ctrl-C reports what it has and exits 130', async () => {
    let stopped = false
    const ended = await command(['stress', '--target', server.url, '--duration', '60s', ...QUICK], (text, kill) => {
      if (stopped || !/steady/.test(text)) return
      stopped = true
      // Once from the terminal and once passed on by npm.
      kill('SIGINT')
      setTimeout(kill, 30, 'SIGINT')
    })
    expect(ended.status).toBe(130)
    expect(ended.stdout).toContain('INTERRUPTED')
    const json = (await readdir(folder)).find((file) => file.endsWith('.json'))
    const result = JSON.parse(await readFile(join(folder, json!), 'utf8')) as Result
    expect(result).toMatchObject({ interrupted: true, passed: false })
    expect(result.phases.steady).toBeLessThan(10_000)
    expect(result.total.requests + result.total.abandoned).toBe(server.seen.length)
  })

  it('shares users and load between threads without losing a request', async () => {
    const threads = ['--threads', '3', '--duration', '600ms', '--json', '--rate', '300']
    const quick = QUICK.filter((part) => part !== '--think-time' && part !== '20ms')
    const ended = await command(['--target', server.url, ...quick, ...threads])
    const result = JSON.parse(ended.stdout) as Result
    expect(result.usersLoggedIn).toBe(10)
    expect(server.count('/auth/login')).toBe(10)
    expect(server.count('/auth/logout')).toBe(10)
    expect(result.steady.requests).toBe(180)
    expect(result.total.requests).toBe(server.seen.length)
    expect(result.timeline.reduce((sum, second) => sum + second.ok, 0)).toBe(server.seen.length)
  })
})

describe('runScenario stopped by its signal', () => {
  it('gives up on requests under way after a moment and calls them neither good nor bad', async () => {
    server.before = (request) => request.url === '/auth/me'
    const stop = new AbortController()
    const started = performance.now()
    const result = await runScenario({
      target: server.url,
      password: server.password,
      users: 5,
      durationMs: 60_000,
      rampMs: 0,
      thinkTimeMs: 10,
      weights: { me: 1, refresh: 0, list: 0 },
      signal: stop.signal,
      onProgress: () => stop.abort(),
    })
    expect(performance.now() - started).toBeLessThan(10_000)
    expect(result).toMatchObject({ interrupted: true, total: { abandoned: 5, failed: 0, ok: 5 } })
  })

  it('before it began reports an empty run', async () => {
    const result = await runScenario({
      target: server.url,
      password: server.password,
      users: 5,
      signal: AbortSignal.abort(),
    })
    expect(result).toMatchObject({ interrupted: true, passed: false, usersLoggedIn: 0, total: { requests: 0 } })
  })
})
