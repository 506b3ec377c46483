import type { CommandArg } from '../wire/encode.js'
import { protectedly } from './foreign.js'

/** What a caller may pass: flattened one level, numbers and everything else as text, null and undefined as ''. */
export type ArgumentInput = unknown

/** Node-style callback, accepted as the last argument of every command. */
export type Callback<T = unknown> = (error: Error | null, result?: T) => void

/** Removes and returns a callback at the end of the arguments. */
export function takeCallback(args: ArgumentInput[]): Callback | undefined {
  const last = args[args.length - 1]
  if (typeof last !== 'function') return undefined
  args.pop()
  return last as Callback
}

/**
 * Calls back once the promise settles, which counts as handling its rejection. What the callback throws becomes an
 * uncaught exception, as it would without promises, instead of vanishing in one.
 */
export function callBack<T>(promise: Promise<T>, callback: Callback<T> | undefined): Promise<T> {
  if (typeof callback !== 'function') return promise
  promise.then(
    (value) => protectedly(() => callback(null, value)),
    (error: Error) => protectedly(() => callback(error)),
  )
  return promise
}

/** Turns what was passed into what goes on the wire; the array itself is reused when it already is that. */
export function normalizeArgs(args: ArgumentInput[]): CommandArg[] {
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]
    if (typeof arg === 'string') continue
    if (typeof arg === 'number') args[i] = numberText(arg)
    else if (Array.isArray(arg)) return flatten(args)
    else if (!Buffer.isBuffer(arg)) args[i] = toText(arg)
  }
  return args as CommandArg[]
}

function flatten(args: ArgumentInput[]): CommandArg[] {
  const flat: CommandArg[] = []
  for (const arg of args) {
    if (Array.isArray(arg)) for (const item of arg) flat.push(toArg(item))
    else flat.push(toArg(arg))
  }
  return flat
}

export function toArg(arg: unknown): CommandArg {
  return typeof arg === 'string' || Buffer.isBuffer(arg) ? arg : toText(arg)
}

function toText(arg: unknown): string {
  if (typeof arg === 'number') return numberText(arg)
  return arg === null || arg === undefined ? '' : String(arg)
}

/** Whole numbers beyond 2^53 would print as `1e+21`, which Redis does not take for an integer. */
function numberText(n: number): string {
  return Number.isInteger(n) && !Number.isSafeInteger(n) ? BigInt(n).toString() : String(n)
}
