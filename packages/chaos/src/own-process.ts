import { type ChildProcess, fork, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { FaultResult } from './run.js'

/** What a fault and its aftermath take at most. */
const LIMIT_MS = 60_000

/** Built code, also when this file is run from its source. */
const program = fileURLToPath(import.meta.url).replace(
  /[/\\](src|dist)[/\\]own-process\.[jt]s$/,
  '/dist/own-process-main.js',
)

/** Runs a fault in a process of its own, which can be frozen, and whose application may throw outside any call. */
export function runInOwnProcess(fault: string, seed: number): Promise<FaultResult> {
  return new Promise((resolve, reject) => {
    const child = fork(program, [fault, String(seed)], {
      execArgv: process.execArgv,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    let words = ''
    child.stderr!.on('data', (chunk) => {
      words = (words + chunk).slice(-2_000)
    })
    const limit = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS)
    let result: FaultResult | undefined
    child.on('message', (message: Message) => {
      if ('freezeMs' in message) freeze(child, message.freezeMs)
      else result = message.result
    })
    child.once('exit', (code, signal) => {
      clearTimeout(limit)
      if (result !== undefined) resolve(result)
      else reject(new Error(`The process of the load ended by ${signal ?? code} without a result. ${words}`))
    })
  })
}

/** Stops a process for a while. Whoever asked for it may be gone by then, so it is no timer here that has it go on. */
export function freeze({ pid }: ChildProcess, milliseconds: number): void {
  const script = `kill -s STOP ${pid}; sleep ${milliseconds / 1_000}; kill -s CONT ${pid}`
  spawn('/bin/sh', ['-c', script], { detached: true, stdio: 'ignore' }).unref()
}

type Message = { readonly freezeMs: number } | { readonly result: FaultResult }

/** From inside such a process: asks its parent to stop it for a while. Resolves soon after it goes on. */
export async function freezeSelf(milliseconds: number): Promise<void> {
  if (process.send === undefined) throw new Error('Only a process of its own can be frozen')
  const start = performance.now()
  process.send({ freezeMs: milliseconds })
  while (performance.now() - start < milliseconds) await new Promise((resolve) => setTimeout(resolve, 1))
}
