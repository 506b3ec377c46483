import { ConfigError } from 'cenote'
import type { PoolOptions, ResolvedOptions } from '../../src/config/options.js'
import { resolve } from '../../src/config/resolve.js'

export type Variables = Readonly<Record<string, string>>

/** Options as a pool would use them, from nothing but the arguments. */
export function resolved(variables: Variables, given: PoolOptions = {}, url?: string): ResolvedOptions {
  return resolve(url, given, { ...variables }).options
}

/** What the options say about the server, without the keys that are not set. */
export function server(variables: Variables, given: PoolOptions = {}, url?: string): Record<string, unknown> {
  const { host, port, path, db, username, password, tls, sentinel, cluster } = resolved(variables, given, url)
  const all = { host, port, path, db, username, password, tls, sentinel, cluster }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}

/** The error of something that must fail with one. */
export function configError(run: () => unknown): ConfigError {
  try {
    run()
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
  throw new Error('Nothing was refused')
}

/** Everything of an error that could end in a log. */
export function everythingOf(error: Error): string {
  const own = Object.getOwnPropertyNames(error).map((name) =>
    String((error as unknown as Record<string, unknown>)[name]),
  )
  return [error.message, String(error.cause), JSON.stringify(error), ...own].join('\n')
}
