import { ConfigError } from '../errors.js'
import { splitHostPort } from './endpoints.js'

/** What a connection string contains, and nothing it leaves out. Query parameters are options by name, as text. */
export interface ParsedUrl {
  host?: string
  port?: string
  path?: string
  username?: string
  password?: string
  db?: string
  tls?: true
  sentinels?: { host?: string; port?: string }[]
  sentinelName?: string
  sentinelTLS?: true
  cluster?: { host?: string; port?: string }[]
  parameters: Record<string, string>
}

const EXPECTED = 'expected redis[s]://[user[:password]@]host[:port][/db]'
const SCHEMES = 'redis://, rediss:// (TLS), unix://, redis+sentinel:// or redis+cluster://'
const ENCODE =
  'write % as %25, @ as %40, : as %3A, / as %2F, ? as %3F and # as %23 in names and passwords (encodeURIComponent does)'

/**
 * Reads, with `rediss` for TLS,
 * - `redis://user:password@host:port/db?option=value`, also without the scheme,
 * - `unix://user:password@/path.sock?db=2`, and a bare path,
 * - `redis+sentinel://user:password@h1:26379,h2:26379/mymaster/2`, the credentials being those of the servers,
 * - `redis+cluster://user:password@h1,h2:7001`.
 *
 * It is read by hand because WHATWG's parser takes neither credentials without a host nor several hosts, and its error
 * carries the whole text as a property.
 * @throws ConfigError that never quotes the text itself, because it may hold a password
 */
export function parseUrl(given: string, label = 'The Redis URL'): ParsedUrl {
  const text = given.trim()
  if (text.startsWith('/') && !text.startsWith('//')) {
    const { before, after } = cut(text, text.indexOf('?'))
    return { path: before, parameters: readQuery(after, label) }
  }
  const match = /^(?:([a-z][a-z0-9+.-]*):)?\/\/(.*)$/is.exec(text)
  const { kind, tls } = readScheme(match?.[1] ?? 'redis', label)
  const rest = match?.[2] ?? text
  const { before: authority, after: tail } = cut(rest, rest.search(/[/?#]/), true)
  const { before: path, after: query } = cut(tail, tail.indexOf('?'))
  if (tail.includes('#') || query.includes('@') || (kind !== 'unix' && path.includes('@'))) {
    throw new ConfigError(`${label} has a character that means something else in a URL: ${ENCODE}`)
  }
  const at = authority.lastIndexOf('@')
  const result: ParsedUrl = { ...readUser(authority.slice(0, Math.max(at, 0)), label), parameters: {} }
  if (tls) result.tls = true
  readAddress(result, kind, authority.slice(at + 1), path, label)
  if (kind === 'sentinel' && tls) result.sentinelTLS = true
  result.parameters = readQuery(query, label)
  return result
}

type Kind = 'server' | 'unix' | 'sentinel' | 'cluster'

function readScheme(scheme: string, label: string): { kind: Kind; tls: boolean } {
  const name = scheme.toLowerCase()
  if (name === 'unix') return { kind: 'unix', tls: false }
  const match = /^(redis|valkey)(s?)(?:\+(unix|sentinel|cluster))?$/.exec(name)
  if (match === null) throw new ConfigError(`${label} has the scheme ${name}://; expected ${SCHEMES}`)
  return { kind: (match[3] as Kind | undefined) ?? 'server', tls: match[2] === 's' }
}

function readUser(text: string, label: string): { username?: string; password?: string } {
  const colon = text.indexOf(':')
  const username = decode(colon < 0 ? text : text.slice(0, colon), 'user name', label)
  const password = colon < 0 ? '' : decode(text.slice(colon + 1), 'password', label)
  return { ...(username === '' ? {} : { username }), ...(password === '' ? {} : { password }) }
}

function readAddress(into: ParsedUrl, kind: Kind, hosts: string, path: string, label: string): void {
  if (kind === 'unix') {
    if (hosts !== '' || path.length < 2) {
      throw new ConfigError(`${label} must have three slashes before the path of the socket: unix:///run/redis.sock`)
    }
    into.path = decode(path, 'path', label)
    return
  }
  const endpoints = (hosts === '' ? [] : hosts.split(',')).map((text) => {
    const endpoint = splitHostPort(text)
    if (endpoint === undefined || (endpoint.host ?? endpoint.port) === undefined) {
      throw new ConfigError(`${label} cannot be parsed; ${EXPECTED}`)
    }
    return endpoint
  })
  if (kind !== 'server' && endpoints.length === 0) {
    throw new ConfigError(`${label} names no server; expected redis+${kind}://host:port,host:port`)
  }
  const segments = path.split('/').slice(1)
  if (segments.at(-1) === '') segments.pop()
  if (kind === 'sentinel') {
    into.sentinels = endpoints
    const name = segments.shift()
    if (name !== undefined) into.sentinelName = decode(name, 'name of the master', label)
  } else if (kind === 'cluster') into.cluster = endpoints
  else {
    if (endpoints.length > 1) {
      throw new ConfigError(`${label} has several hosts; that needs redis+sentinel:// or redis+cluster://`)
    }
    Object.assign(into, endpoints[0])
  }
  const db = segments.shift()
  if (segments.length > 0 || (db !== undefined && !/^\d+$/.test(db))) {
    const expected = kind === 'sentinel' ? '/mymaster or /mymaster/2' : 'a database number, such as /2'
    throw new ConfigError(`The path of ${label.replace(/^The/, 'the')} must be ${expected}`)
  }
  if (db !== undefined) into.db = db
}

function readQuery(query: string, label: string): Record<string, string> {
  const parameters: Record<string, string> = {}
  for (const pair of query.split('&')) {
    if (pair === '') continue
    const { before, after } = cut(pair, pair.indexOf('='))
    const name = decode(before, 'query', label)
    // A name of another kind is part of a password with a question mark in it.
    if (!/^[a-z][a-z0-9]*$/i.test(name)) {
      throw new ConfigError(`${label} has a query parameter that is no option's name: ${ENCODE}`)
    }
    parameters[name] = decode(after.replaceAll('+', ' '), 'query', label)
  }
  return parameters
}

function decode(text: string, what: string, label: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new ConfigError(`The ${what} in ${label.replace(/^The/, 'the')} is not well percent-encoded: ${ENCODE}`)
  }
}

function cut(text: string, at: number, keep = false): { before: string; after: string } {
  if (at < 0) return { before: text, after: '' }
  return { before: text.slice(0, at), after: text.slice(keep ? at : at + 1) }
}
