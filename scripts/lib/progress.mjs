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

/**
 * Runs a command in the clone with its output on the terminal.
 * @returns its exit status; 128 + signal number when a signal ended it
 */
export function run(file, args, { env = process.env, quiet = false, cwd = root } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd,
      env,
      stdio: ['ignore', quiet ? 'ignore' : 'inherit', quiet ? 'ignore' : 'inherit'],
    })
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 143)))
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
    console.error(`\n${error instanceof SetUpError ? error.message : (error?.stack ?? error)}`)
    process.exitCode = 1
  }
}
