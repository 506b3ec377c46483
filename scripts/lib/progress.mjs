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

const running = new Set()

let stoppedWith

/**
 * Ctrl-C and its like: passes the signal on to what is running, cleans up, and ends with the usual status. A second
 * one ends at once. Whatever the clean-up does not reach (something may just be starting), the guardian of started
 * processes and folders removes as soon as this process is gone.
 */
export function stopOnSignals(cleanUp = async () => {}) {
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ]) {
    process.on(signal, () => {
      if (stoppedWith !== undefined) process.exit(status)
      stoppedWith = status
      for (const child of running) child.kill(signal)
      const ends = [...running].map((child) => new Promise((resolve) => child.once('exit', resolve)))
      setTimeout(() => process.exit(status), 5_000).unref()
      Promise.all([...ends, cleanUp()]).then(() => process.exit(status))
    })
  }
}

/**
 * Runs a command in the clone with its output on the terminal.
 * @returns its exit status; 130 or 143 when a signal ended it
 */
export function run(file, args, { env = process.env, quiet = false, cwd = root } = {}) {
  const output = quiet ? 'ignore' : 'inherit'
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd, env, stdio: ['ignore', output, output] })
    running.add(child)
    child.once('error', (error) => {
      running.delete(child)
      reject(error)
    })
    child.once('exit', (code, signal) => {
      running.delete(child)
      resolve(code ?? (signal === 'SIGINT' ? 130 : 143))
    })
  })
}

/** Whether a command exists and succeeds; its output goes nowhere. */
export async function succeeds(file, args) {
  try {
    return (await run(file, args, { quiet: true })) === 0
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
