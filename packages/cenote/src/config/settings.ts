import { ConfigError } from '../errors.js'
import type { CheckedCluster } from './cluster.js'
import { SYNONYMS } from './ioredis-options.js'
import { isObject, plainCopy } from './plain.js'
import { isUnset, OPTION_NAMES, type OptionName, RETRY_OPTIONS, type RetryOption, ruleOf } from './rules.js'
import { isDerivedSentinel } from './sentinel.js'
import { checkKeys, unknownKey } from './unknown-key.js'
import { parseUrl } from './url.js'

/** A checked value and who said it: a variable's name, `URL`, `code`, a preset or `default`. */
export interface Setting {
  readonly value: unknown
  readonly source: string
}

/** Options that somebody gave, by the one name each has here. What is not in it was not given. */
export type Settings = Map<OptionName, Setting>

/** @throws ConfigError for the first key that is unknown or whose value is not accepted */
export function settingsOf(given: object, source: string): Settings {
  const settings: Settings = new Map()
  for (const [key, value] of Object.entries(plainCopy(given))) {
    if (value === undefined || (key === 'sentinel' && isDerivedSentinel(value))) continue
    if (!OPTION_NAMES.includes(key)) throw unknownKey('option', key, OPTION_NAMES)
    if (isUnset(key, value)) continue
    if (key === 'retry') addRetry(settings, value, source)
    else settings.set(key as OptionName, { value: ruleOf(key as OptionName).check(value, key), source })
  }
  useOwnNames(settings)
  return settings
}

/** What a connection string contains; its address outranks its parameters, as in ioredis. */
export function settingsOfUrl(url: string, source: string, label: string): Settings {
  const { parameters, ...address } = parseUrl(url, label)
  const settings = settingsOf(address, source)
  addMissing(settings, settingsOfParameters(parameters, source))
  return settings
}

function settingsOfParameters(parameters: Record<string, string>, source: string): Settings {
  const settings: Settings = new Map()
  for (const [key, text] of Object.entries(parameters)) {
    if (!OPTION_NAMES.includes(key)) throw unknownKey('URL parameter', key, OPTION_NAMES)
    if (key === 'retry') throw new ConfigError('retry can be given in code only: an object')
    if (isUnset(key, text)) continue
    settings.set(key as OptionName, { value: ruleOf(key as OptionName).read(text, key), source })
  }
  useOwnNames(settings)
  return settings
}

function addRetry(settings: Settings, retry: unknown, source: string): void {
  if (!isObject(retry)) throw new ConfigError('retry must be an object')
  const fields = Object.entries(plainCopy(retry)).map(([key, value]) => [`retry.${key}`, value] as const)
  checkKeys('option', Object.fromEntries(fields), RETRY_OPTIONS)
  for (const [name, value] of fields) {
    if (value === undefined || value === null) continue
    settings.set(name as RetryOption, { value: ruleOf(name as RetryOption).check(value, name), source })
  }
}

/** Turns ioredis' name of a setting into the one it has here. */
function useOwnNames(settings: Settings): void {
  for (const [theirs, ours] of Object.entries(SYNONYMS) as [OptionName, OptionName][]) {
    const setting = settings.get(theirs)
    if (setting === undefined) continue
    const own = settings.get(ours)
    if (own !== undefined && own.value !== setting.value) {
      throw new ConfigError(
        `${ours} (${own.value}) and ${theirs} (${setting.value}) contradict each other; give only ${ours}`,
      )
    }
    settings.delete(theirs)
    settings.set(ours, { value: ruleOf(ours).check(setting.value, theirs), source: setting.source })
  }
}

/**
 * Fills in what is not there yet. TLS that is only switched on takes the settings of the lower place, as in
 * `new Redis('rediss://host', { tls: { ca } })`.
 */
export function addMissing(into: Settings, from: Settings): void {
  for (const [name, setting] of from) {
    const present = into.get(name)
    const refines = (name === 'tls' || name === 'sentinelTLS') && present?.value === true && isObject(setting.value)
    if (present === undefined || refines) into.set(name, setting)
  }
}

/** What the nodes of a cluster say besides their addresses, where nothing else says it. */
export function addFromNodes(settings: Settings): void {
  const nodes = settings.get('cluster')
  if (nodes === undefined) return
  const { options, parameters } = nodes.value as CheckedCluster
  addMissing(settings, settingsOf(options, nodes.source))
  addMissing(settings, settingsOfParameters(parameters, nodes.source))
}

/**
 * `name` is that of the pool in statistics. As in ioredis it is also that of the Sentinel master, if it was given in the
 * same place as the sentinels and `sentinelName` was not.
 */
export function nameMaster(settings: Settings): void {
  const name = settings.get('name')
  const sentinels = settings.get('sentinels')
  if (name === undefined || sentinels === undefined || settings.has('sentinelName')) return
  settings.set('sentinelName', name)
}

/** Whether they say which server to use, whatever else they say about it. */
export const namesServer = (settings: Settings): boolean =>
  (['host', 'port', 'path', 'sentinels', 'cluster'] as const).some((name) => settings.has(name))
