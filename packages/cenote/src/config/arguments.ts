import { isIP } from 'node:net'
import { ConfigError } from '../errors.js'
import type { CheckedCluster } from './cluster.js'
import { SYNONYMS } from './ioredis-options.js'
import type { PoolOptions } from './options.js'
import { plainCopy } from './plain.js'
import { settingsOfUrl } from './settings.js'

/** One of the arguments a pool, like an ioredis client, can be made with. */
export type ConstructorArgument = string | number | PoolOptions | null | undefined

/**
 * `(options)`, `(url, options)`, `(path, options)`, `(port, options)`, `(port, host, options)`, in any order, the first
 * to say something winning as in ioredis; a port given as number always wins.
 */
export function readArguments(args: readonly ConstructorArgument[]): {
  url: string | undefined
  given: PoolOptions
} {
  const parts = args.filter((arg) => arg !== null && arg !== undefined)
  const port = parts.find((arg) => typeof arg === 'number')
  let url: string | undefined
  const given: Record<PropertyKey, unknown> = port === undefined ? {} : { port }
  for (const [index, arg] of parts.entries()) {
    if (typeof arg === 'string' && index === 0 && !/^\d+$/.test(arg)) url = arg
    else if (typeof arg !== 'number' && typeof arg !== 'string' && typeof arg !== 'object') {
      throw new ConfigError('A pool takes a URL, a path, a port, a port and a host, or options')
    } else if (typeof arg !== 'number') fill(given, typeof arg === 'string' ? fromText(arg) : plainCopy(arg))
  }
  return { url, given: given as PoolOptions }
}

function fromText(text: string): Record<string, unknown> {
  if (/^\d+$/.test(text)) return { port: text }
  if (isIP(text) !== 0) return { host: text }
  const said = Object.fromEntries(
    [...settingsOfUrl(text, 'URL', 'The Redis URL')].map(([name, { value }]) => [name, value]),
  )
  return said.cluster === undefined ? said : { ...said, cluster: (said.cluster as CheckedCluster).nodes }
}

function fill(into: Record<PropertyKey, unknown>, from: Record<PropertyKey, unknown>): void {
  for (const key of Reflect.ownKeys(from)) if (into[key] === undefined) into[key] = from[key]
}

/** What a duplicate starts from: all options but those that the override gives under their other name. */
export function inheritOptions(base: PoolOptions, override: PoolOptions): PoolOptions {
  const inherited: Record<string, unknown> = plainCopy(base)
  const overriding = plainCopy(override ?? {})
  for (const [theirs, ours] of Object.entries(SYNONYMS)) delete inherited[theirs in overriding ? ours : theirs]
  return { ...inherited, ...overriding }
}
