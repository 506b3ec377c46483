import { ConfigError } from '../errors.js'
import { injectedService, isInjectedPort, isService } from './kubernetes.js'
import { type OptionName, ruleOf } from './rules.js'
import { addFromNodes, nameMaster, namesServer, type Settings, settingsOfUrl } from './settings.js'
import { TLS_VARIABLES, tlsFromVariables } from './tls.js'
import { POOL_VARIABLES, SENTINEL_VARIABLES, SERVER_VARIABLES } from './variables.js'

/** What the environment says, and which of its variables have no effect, with the reason. */
export interface FromEnvironment {
  readonly settings: Settings
  readonly unused: ReadonlyMap<string, string>
}

/** The variables that are read, in the order in which they are documented. */
export const VARIABLES: readonly string[] = [
  'REDIS_URL',
  ...Object.keys(SERVER_VARIABLES),
  'REDIS_TLS',
  ...Object.keys(TLS_VARIABLES),
  ...Object.keys(SENTINEL_VARIABLES),
  ...Object.keys(POOL_VARIABLES),
]

/**
 * Reads the variables that are set, each by itself. Only what `REDIS_URL` itself contains outranks a variable.
 *
 * **The address rule.** User, password, database and TLS belong to the address they stand beside. Code that names a
 * server (a URL with a host, `host`, `port`, `path`, `sentinels` or `cluster`) replaces the address of the environment
 * together with all that belongs to it, so that no server is ever given the password of another one. Code that names
 * none fills in or overrides single values of the environment's server.
 *
 * A variable that is not used is not looked at, so it cannot be an error.
 * @throws ConfigError naming the variable and what it accepts
 */
export function settingsOfEnvironment(variables: NodeJS.ProcessEnv, code: Settings): FromEnvironment {
  const set = new Map<string, string>()
  for (const variable of [...VARIABLES, 'REDIS_SERVICE_HOST', 'REDIS_SERVICE_PORT']) {
    const given = variables[variable]
    // Spaces and line ends get in by scripts and mounted files; in a password they may be meant.
    const text = variable.endsWith('PASSWORD') ? given : given?.trim()
    if (text !== undefined && text !== '') set.set(variable, text)
  }
  const reader = new Reader(set, code)
  if (namesServer(code)) {
    const server = ['REDIS_URL', ...Object.keys(SERVER_VARIABLES), 'REDIS_TLS']
    reader.pass('code names the server', ...server, ...Object.keys(TLS_VARIABLES), ...Object.keys(SENTINEL_VARIABLES))
  } else reader.readServer()
  for (const variable of Object.keys(POOL_VARIABLES)) reader.take(variable, POOL_VARIABLES[variable]!)
  return reader
}

class Reader implements FromEnvironment {
  readonly settings: Settings = new Map()
  readonly unused = new Map<string, string>()

  constructor(
    private readonly set: ReadonlyMap<string, string>,
    private readonly code: Settings,
  ) {}

  /** Uses a variable unless something above it says the same. */
  take(variable: string, option: OptionName): void {
    const text = this.set.get(variable)
    if (text === undefined) return
    if (this.code.has(option)) this.pass(`code gives ${option}`, variable)
    else if (this.settings.has(option)) this.pass(`${this.settings.get(option)!.source} says it`, variable)
    else this.settings.set(option, { value: ruleOf(option).read(text, variable), source: variable })
  }

  /** Passes over variables, saying why. */
  pass(reason: string, ...variables: string[]): void {
    for (const variable of variables) if (this.set.has(variable)) this.unused.set(variable, reason)
  }

  readServer(): void {
    const url = this.set.get('REDIS_URL')
    if (url !== undefined) {
      for (const [name, setting] of settingsOfUrl(url, 'REDIS_URL', 'REDIS_URL')) this.settings.set(name, setting)
    }
    this.readAddress()
    addFromNodes(this.settings)
    for (const variable of [
      'REDIS_USERNAME',
      'REDIS_PASSWORD',
      'REDIS_DB',
      'REDIS_READ_FROM',
      'REDIS_MAX_REPLICA_LAG_MS',
    ]) {
      this.take(variable, SERVER_VARIABLES[variable]!)
    }
    this.readTls()
    for (const [variable, option] of Object.entries(SENTINEL_VARIABLES)) {
      if (this.settings.has('sentinels')) this.take(variable, option)
      else this.pass('there are no sentinels', variable)
    }
    if (this.settings.get('sentinels')?.source === 'REDIS_URL') nameMaster(this.settings)
  }

  private readAddress(): void {
    const { settings, set } = this
    if (!namesServer(settings)) {
      if (set.has('REDIS_SENTINELS') && set.has('REDIS_CLUSTER_NODES')) {
        throw new ConfigError('REDIS_SENTINELS and REDIS_CLUSTER_NODES contradict each other; set only one of them')
      }
      for (const variable of ['REDIS_SENTINELS', 'REDIS_CLUSTER_NODES', 'REDIS_SOCKET']) {
        if (!namesServer(settings)) this.take(variable, SERVER_VARIABLES[variable]!)
      }
    }
    const by = (['sentinels', 'cluster', 'path', 'host', 'port'] as const).find((name) => settings.has(name))
    const because = `${by === undefined ? '' : settings.get(by)!.source} names the server`
    for (const variable of ['REDIS_SENTINELS', 'REDIS_CLUSTER_NODES', 'REDIS_SOCKET']) {
      if (settings.get(SERVER_VARIABLES[variable]!)?.source !== variable) this.pass(because, variable)
    }
    if (by === 'sentinels' || by === 'cluster' || by === 'path') this.pass(because, 'REDIS_HOST', 'REDIS_PORT')
    else this.readHostAndPort()
  }

  private readHostAndPort(): void {
    const { settings, set } = this
    this.take('REDIS_HOST', 'host')
    if (!isInjectedPort(set.get('REDIS_PORT'))) this.take('REDIS_PORT', 'port')
    const service = injectedService(set)
    if (service === undefined) {
      if (isInjectedPort(set.get('REDIS_PORT'))) this.pass('it is no number and names no server', 'REDIS_PORT')
      return
    }
    const host = settings.get('host')
    if (host !== undefined && !isService(service, host.value as string)) {
      const injected = isInjectedPort(set.get('REDIS_PORT')) ? ['REDIS_PORT'] : []
      this.pass(`it is injected for another server than that of ${host.source}`, ...injected)
      return
    }
    if (host === undefined) settings.set('host', { value: service.host, source: service.hostFrom })
    if (!settings.has('port') && service.port !== undefined) {
      settings.set('port', { value: service.port, source: service.portFrom })
    }
  }

  private readTls(): void {
    const said = (this.code.get('tls') ?? this.settings.get('tls'))?.value
    if (said !== undefined && said !== true) {
      this.pass('TLS is settled above them', 'REDIS_TLS', ...Object.keys(TLS_VARIABLES))
      return
    }
    const { value, from, unused } = tlsFromVariables(this.set, said === true)
    this.pass(said === true ? 'TLS is settled above it' : 'there is no TLS', ...unused)
    if (value !== undefined && from.length > 0) this.settings.set('tls', { value, source: from.join(', ') })
  }
}
