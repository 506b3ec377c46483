import { isIP } from 'node:net'
import { ConfigError } from '../errors.js'
import { isObject, plainCopy } from './plain.js'
import { integer } from './rule.js'
import { checkKeys } from './unknown-key.js'

/** A server or sentinel as given: a name stays a name, so that it can be resolved anew and checked by TLS. */
export type SeedEndpoint = {
  readonly host: string
  readonly port: number
  /** IP family for the resolution of the name; that of the pool when left out. */
  readonly family?: number
}

const PORT = integer(1, 65_535)
const FAMILY = integer(0, 6, [0, 4, 6])

/** A name or address without anything around it. */
export const isHost = (text: string): boolean =>
  isIP(text) !== 0 || (text.length > 0 && text.length <= 255 && !/[\s/?#@\\<>^`{|}"%,:[\]]/.test(text))

/** `host`, `host:port`, `[v6]:port`, `:port`, or an IPv6 address by itself; undefined when it is none of them. */
export function splitHostPort(text: string): { host?: string; port?: string } | undefined {
  if (isIP(text) !== 0) return { host: text }
  const match = /^(?:\[([^\]]+)\]|([^:[\]]*))(?::(\d*))?$/.exec(text)
  if (match === null) return undefined
  const [, v6, name, port] = match
  if (v6 !== undefined && isIP(v6) !== 6) return undefined
  if (name !== undefined && name !== '' && !isHost(name)) return undefined
  const host = v6 ?? name
  return { ...(host ? { host } : {}), ...(port ? { port } : {}) }
}

export interface EndpointDefaults {
  readonly host: string
  readonly port: number
}

/**
 * A list of servers: text such as `h1:7000,[::1]:7001`, or an array of such texts, port numbers and `{ host, port }`.
 * Double ones count once.
 * @throws ConfigError naming the entry, never its text, which may be a URL with a password
 */
export function parseEndpoints(value: unknown, label: string, defaults: EndpointDefaults): SeedEndpoint[] {
  const entries = typeof value === 'string' ? value.split(',').filter((entry) => entry.trim() !== '') : value
  if (!Array.isArray(entries) || entries.length === 0) throw new ConfigError(`${label} must be a list of host:port`)
  return distinct(entries.map((entry, index) => parseEndpoint(entry, `${label}[${index}]`, defaults)))
}

export function parseEndpoint(entry: unknown, label: string, defaults: EndpointDefaults): SeedEndpoint {
  if (typeof entry === 'number') return { host: defaults.host, port: PORT.check(entry, label) as number }
  if (typeof entry === 'string') {
    const parts = splitHostPort(entry.trim())
    if (parts === undefined || (parts.host ?? parts.port) === undefined) {
      throw new ConfigError(`${label} must be host:port; IPv6 addresses go in brackets`)
    }
    return parseEndpoint(parts, label, defaults)
  }
  if (!isObject(entry)) throw new ConfigError(`${label} must be host:port or { host, port }`)
  const given = plainCopy(entry)
  checkKeys(`key in ${label}:`, given, ['host', 'port', 'family'])
  const host = given.host ?? defaults.host
  if (typeof host !== 'string' || !isHost(host))
    throw new ConfigError(`${label}.host must be a host name or an address`)
  const port = PORT.check(given.port ?? defaults.port, `${label}.port`) as number
  if (given.family === undefined || given.family === null) return { host, port }
  return { host, port, family: FAMILY.check(given.family, `${label}.family`) as number }
}

function distinct(endpoints: SeedEndpoint[]): SeedEndpoint[] {
  const known = new Map(endpoints.map((endpoint) => [`${endpoint.host}\n${endpoint.port}`, endpoint]))
  return [...known.values()]
}

export const describeEndpoints = (endpoints: readonly SeedEndpoint[]): string =>
  endpoints.map(({ host, port }) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)).join(', ')
