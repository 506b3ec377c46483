import { SYNONYMS } from './ioredis-options.js'
import type { PoolOptions } from './options.js'

/** One of the arguments a pool, like an ioredis client, can be made with. */
export type ConstructorArgument = string | number | PoolOptions | null | undefined

/** `(options)`, `(url, options)`, `(path, options)`, `(port, options)`, `(port, host, options)`. */
export function readArguments(args: readonly ConstructorArgument[]): {
  url: string | undefined
  given: PoolOptions
} {
  let url: string | undefined
  let given: PoolOptions = {}
  let port: number | undefined
  for (const arg of args) {
    if (arg === null || arg === undefined) continue
    if (typeof arg === 'number') port = arg
    else if (typeof arg === 'object') given = { ...arg, ...given }
    else if (port !== undefined && !/^[a-z+]+:\/\/|^\//i.test(arg)) given = { host: arg, ...given }
    else if (/^\d+$/.test(arg)) port = Number(arg)
    else url = arg
  }
  return { url, given: port === undefined ? given : { port, ...given } }
}

/** What a duplicate starts from: all options but those that the override gives under their other name. */
export function inheritOptions(base: PoolOptions, override: PoolOptions): PoolOptions {
  const inherited: PoolOptions = { ...base }
  for (const [theirs, ours] of Object.entries(SYNONYMS) as [
    keyof typeof SYNONYMS,
    'commandTimeoutMs' | 'connectTimeoutMs',
  ][]) {
    delete inherited[theirs in override ? ours : theirs]
  }
  return { ...inherited, ...override }
}
