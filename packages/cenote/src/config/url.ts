import { ConfigError } from '../errors.js'

/** What a connection string can say. Query parameters are options by name, still as text. */
export interface ParsedUrl {
  host?: string
  port?: number
  path?: string
  username?: string
  password?: string
  db?: number
  tls?: true
  parameters: Record<string, string>
}

/**
 * Reads `redis://user:password@host:port/db?option=value`, `rediss://…` (TLS), `unix:///path.sock` and a bare path.
 * @throws ConfigError that never quotes the text itself, because it may hold a password
 */
export function parseUrl(text: string): ParsedUrl {
  if (text.startsWith('/')) {
    const [path, query] = splitOnce(text, '?')
    return { path, parameters: Object.fromEntries(new URLSearchParams(query ?? '')) }
  }
  const withScheme = /^[a-z][a-z0-9+]*:\/\//i.test(text) ? text : `redis://${text}`
  let url: URL
  try {
    url = new URL(withScheme)
  } catch {
    throw new ConfigError('The Redis URL cannot be parsed; expected redis[s]://[user[:password]@]host[:port][/db]')
  }
  const parameters = Object.fromEntries(url.searchParams)
  const result: ParsedUrl = { parameters }
  if (url.username !== '') result.username = decode(url.username)
  if (url.password !== '') result.password = decode(url.password)
  if (url.protocol === 'unix:' || url.protocol === 'redis+unix:') {
    result.path = decode(url.pathname)
    return result
  }
  if (url.protocol === 'rediss:' || url.protocol === 'valkeys:') result.tls = true
  else if (url.protocol !== 'redis:' && url.protocol !== 'valkey:') {
    throw new ConfigError(`The Redis URL has the scheme ${url.protocol}//; expected redis://, rediss:// or unix://`)
  }
  if (url.hostname !== '') result.host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  if (url.port !== '') result.port = Number(url.port)
  if (url.pathname.length > 1) {
    const db = url.pathname.slice(1)
    if (!/^\d+$/.test(db)) throw new ConfigError('The path of the Redis URL must be a database number, such as /2')
    result.db = Number(db)
  }
  return result
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
