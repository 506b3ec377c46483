import { spawn } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The root of the clone. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** A failure whose message is all the user needs: printed without a stack. */
export class SetUpError extends Error {}

const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`

/** Runs `work` as a named step; what it returns, if a string, is printed beside the name. */
export async function step(name, work) {
  const start = performance.now()
  process.stdout.write(`• ${name}\n`)
  const said = await work()
  process.stdout.write(`  ✓ ${name}${typeof said === 'string' ? `: ${said}` : ''} (${seconds(start)})\n`)
  return said
}

const running = new Map()
let stoppedWith
let stoppedAt = 0

function signalGroup(child, signal) {
  try {
    process.kill(-child.pid, signal)
  } catch {
    // Gone already.
  }
}

/** Passes a signal on to what `run` is waiting for, and waits until that has ended. */
async function stopRunning(signal) {
  const ends = [...running].map(async ([child, { patient, ended }]) => {
    signalGroup(child, signal)
    // npm finishes what it is at for many seconds; a package manager must be left to, or its database is locked.
    const timer = patient ? undefined : setTimeout(() => signalGroup(child, 'SIGKILL'), 500)
    await ended
    clearTimeout(timer)
  })
  await Promise.all(ends)
}

/**
 * Ctrl-C and its like: stops what is running, cleans up, and ends with the usual status. A second one ends at once.
 * Whatever the clean-up does not reach (something may just be starting), the guardian of started processes and folders
 * removes as soon as this process is gone.
 */
export function stopOnSignals(cleanUp = async () => {}) {
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ]) {
    process.on(signal, () => {
      if (stoppedWith !== undefined) {
        // npm passes on the Ctrl-C that the terminal has already sent; only a later one is a second one.
        if (performance.now() - stoppedAt < 1_000) return
        for (const child of running.keys()) signalGroup(child, 'SIGKILL')
        process.exit(status)
      }
      stoppedWith = status
      stoppedAt = performance.now()
      stopRunning(signal)
        .then(cleanUp)
        .finally(() => process.exit(status))
    })
  }
}

/**
 * Runs a command in the clone, in a process group of its own, with its output on the terminal (`quiet`: only errors,
 * `silent`: nothing). `patient` commands are waited for after a Ctrl-C instead of killed.
 * @returns its exit status; 130 or 143 when a signal ended it
 */
export function run(file, args, { env = process.env, quiet = false, silent = false, patient = false } = {}) {
  // One step after another may be on its way when the signal comes: none of them may start any more.
  if (stoppedWith !== undefined) return Promise.reject(new Error('Stopped'))
  const stdio = ['ignore', quiet || silent ? 'ignore' : 'inherit', silent ? 'ignore' : 'inherit']
  const child = spawn(file, args, { cwd: root, env, detached: true, stdio })
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 143)))
  }).finally(() => running.delete(child))
  if (child.pid !== undefined) running.set(child, { patient, ended: ended.catch(() => {}) })
  return ended
}

/** Whether a command exists and succeeds; its output goes nowhere. */
export async function succeeds(file, args) {
  try {
    return (await run(file, args, { silent: true })) === 0
  } catch {
    return false
  }
}

/** Runs a script's main function; a SetUpError prints its message alone. */
export async function main(work) {
  if (Number(process.versions.node.split('.')[0]) < 20) {
    console.error(`cenote needs Node.js 20 or newer; this is ${process.version}. See https://nodejs.org`)
    process.exit(1)
  }
  try {
    process.exitCode = await work()
  } catch (error) {
    // What was running has just been told to stop; that it failed is no news.
    if (stoppedWith !== undefined) {
      process.exitCode = stoppedWith
      return
    }
    console.error(`\n${error instanceof SetUpError ? error.message : (error?.stack ?? error)}`)
    process.exitCode = 1
  }
}
