import { ConfigError } from '../errors.js'
import type { OptionName } from './rules.js'
import type { Settings } from './settings.js'

/**
 * Options that are each good and cannot be had together.
 * @throws ConfigError saying which of them to leave out, and where each came from
 */
export function checkTogether(settings: Settings): void {
  const value = (name: OptionName) => settings.get(name)?.value
  const number = (name: OptionName) => value(name) as number
  const shown = (name: OptionName) => `${name} (${String(value(name))}${origin(settings, name)})`

  if (number('lanes') >= number('maxConnections')) {
    throw new ConfigError(
      `${shown('lanes')} must be below ${shown('maxConnections')}: leases need at least one connection`,
    )
  }
  if (number('minConnections') > number('maxConnections') - number('lanes')) {
    throw new ConfigError(
      `${shown('minConnections')} exceeds maxConnections − lanes (${number('maxConnections') - number('lanes')})`,
    )
  }
  if (value('replyMapping') === 'resp3' && value('protocol') === 2) {
    throw new ConfigError("replyMapping 'resp3' needs protocol 3")
  }
  const sentinels = value('sentinels') !== undefined
  const cluster = value('cluster') !== undefined
  if (sentinels && cluster) {
    throw new ConfigError(
      'sentinels and cluster contradict each other: a cluster does its own failovers; give one of them',
    )
  }
  if (cluster && number('db') !== 0) {
    throw new ConfigError(
      `${shown('db')} must be left out: a cluster has only database 0; use keyPrefix to separate keys`,
    )
  }
  if (value('readFrom') === 'replica' && !sentinels && !cluster) {
    throw new ConfigError(
      `${shown('readFrom')} needs sentinels or cluster, which know the replicas; for one server leave it out`,
    )
  }
}

function origin(settings: Settings, name: OptionName): string {
  const source = settings.get(name)?.source ?? 'default'
  return source === 'code' || source === 'default' ? '' : `, from ${source}`
}
