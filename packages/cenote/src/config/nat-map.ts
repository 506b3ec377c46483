import { ConfigError } from '../errors.js'
import { parseEndpoint, splitHostPort } from './endpoints.js'
import { isObject, plainCopy } from './plain.js'
import type { Rule } from './rule.js'

export interface NatAddress {
  host: string
  port: number
}

/** Addresses that servers announce, as `host:port`, and where they are reached from here. */
export type NatMap = Record<string, NatAddress> | ((address: string) => NatAddress | null | undefined)

export const natMap: Rule = {
  check(value, label) {
    if (typeof value === 'function') return value
    if (!isObject(value))
      throw new ConfigError(`${label} must be an object of { host, port } by 'host:port', or a function`)
    const map: Record<string, NatAddress> = {}
    for (const [address, target] of Object.entries(plainCopy(value))) {
      if (splitHostPort(address)?.port === undefined && !/:\d+$/.test(address)) {
        throw new ConfigError(`${label} must have keys such as '10.0.0.1:6379', not '${address}'`)
      }
      const { host, port } = parseEndpoint(target, `${label}['${address}']`, { host: '', port: 0 })
      map[address] = { host, port }
    }
    return map
  },
  read(_text, label) {
    throw new ConfigError(`${label} can be given in code only`)
  },
}
