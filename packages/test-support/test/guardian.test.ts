import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { leakCheckEachTest } from '../src/index.js'

leakCheckEachTest({ beforeEach, afterEach })

const built = fileURLToPath(new URL('../dist/index.js', import.meta.url))

/** Orphans stay in the process table as zombies until init collects them; they are as good as gone. */
function isZombie(pid: number): boolean {
  try {
    return / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/\(.*\)/, ''))
  } catch {
    return false
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !isZombie(pid)
  } catch {
    return false
  }
}

/** The guardian works after its owner's end, when nobody is left to announce it: look until it has happened. */
async function eventually(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`Not after 10 s: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cenote-guardian-test '))
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

/** A process of its own that runs `body` and reports one line of JSON; its temporary folders land in `folder`. */
async function owner(body: string): Promise<{ process: ChildProcess; said: { pid: number; dir: string } }> {
  const source = `
    import { startRedis, guardFolder, guardGroup } from ${JSON.stringify(built)}
    import { spawn } from 'node:child_process'
    ${body}`
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, TMPDIR: folder },
  })
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  const line = await new Promise<string>((resolve, reject) => {
    lines.once('line', resolve)
    lines.once('close', () => reject(new Error('the owner ended without a word')))
  })
  lines.close()
  return { process: child, said: JSON.parse(line) }
}

const exited = (child: ChildProcess) =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise<void>((resolve) => child.once('exit', () => resolve()))

const startsRedis = `
  const redis = await startRedis({ appendOnly: true })
  console.log(JSON.stringify({ pid: redis.pid, dir: redis.dir }))`

async function nothingIsLeft(said: { pid: number; dir: string }): Promise<void> {
  await eventually(() => !alive(said.pid), 'the server has ended')
  await eventually(() => !existsSync(said.dir), 'its folder is gone')
  expect(readdirSync(folder)).toEqual([])
}

for (const signal of ['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  test(`a server does not outlive an owner ended by ${signal}`, async () => {
    const { process: child, said } = await owner(`${startsRedis}; setInterval(() => {}, 1000)`)
    expect(alive(said.pid)).toBe(true)
    child.kill(signal)
    await exited(child)
    await nothingIsLeft(said)
  })
}

test('a server does not outlive an owner that simply returns, and does not keep it from returning', async () => {
  const { process: child, said } = await owner(startsRedis)
  await exited(child)
  expect(child.exitCode).toBe(0)
  await nothingIsLeft(said)
})

test('a server does not outlive an owner that crashes', async () => {
  const { process: child, said } = await owner(
    `${startsRedis}; setTimeout(() => { throw new Error('wanted by the test') }, 1)`,
  )
  await exited(child)
  await nothingIsLeft(said)
})

test('a paused server does not outlive its owner', async () => {
  const { process: child, said } = await owner(`${startsRedis}; redis.pause(); setInterval(() => {}, 1000)`)
  child.kill('SIGKILL')
  await exited(child)
  await nothingIsLeft(said)
})

test('what was started again after a kill is guarded too', async () => {
  const { process: child, said } = await owner(`
    const redis = await startRedis()
    await redis.restart()
    console.log(JSON.stringify({ pid: redis.pid, dir: redis.dir }))
    setInterval(() => {}, 1000)`)
  child.kill('SIGKILL')
  await exited(child)
  await nothingIsLeft(said)
})

test('a guarded group goes with all its members, one no longer guarded stays', async () => {
  const { process: child, said } = await owner(`
    const group = spawn('/bin/sh', ['-c', 'sleep 300 & echo $!; wait'], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] })
    const member = await new Promise((resolve) => group.stdout.once('data', (bytes) => resolve(Number(bytes))))
    guardGroup(group.pid)
    const spared = spawn('/bin/sh', ['-c', 'exec sleep 300'], { detached: true, stdio: 'ignore' })
    guardGroup(spared.pid)()
    console.log(JSON.stringify({ pid: group.pid, dir: JSON.stringify([member, spared.pid]) }))
    setInterval(() => {}, 1000)`)
  child.kill('SIGKILL')
  await exited(child)
  const [member, spared] = JSON.parse(said.dir)
  await eventually(() => !alive(said.pid) && !alive(member), 'the group has ended')
  expect(alive(spared)).toBe(true)
  process.kill(spared, 'SIGKILL')
})
