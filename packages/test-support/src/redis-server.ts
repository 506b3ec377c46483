import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findRedisServer } from './find-redis.js'
import { freePort } from './free-port.js'
import { guardFolder, guardGroup } from './guardian.js'
import { type RawReply, type RawTarget, rawCommand } from './raw-client.js'
import { type TlsCertificates, tlsCertificates } from './tls-certificates.js'

export interface StartRedisOptions {
  /** Lines of redis.conf by name; a list gives one line each. Win over everything below. */
  readonly config?: Readonly<Record<string, string | number | readonly string[]>>
  /** Further command-line arguments, e.g. `['--sentinel']`. */
  readonly args?: readonly string[]
  /** Address to listen at. Default 127.0.0.1. */
  readonly host?: string
  /** Default: a free one. */
  readonly port?: number
  /** Password of the default user. */
  readonly password?: string
  /** ACL users, e.g. `['alice on >secret ~* &* +@all']`. */
  readonly users?: readonly string[]
  /** Keep writes across `kill()` and `restart()`: `'always'` syncs each one, `true` once a second. Default false. */
  readonly appendOnly?: boolean | 'always'
  /** Also listen with TLS on a port of its own, with certificates made for the occasion or those given. */
  readonly tls?: boolean | TlsCertificates
  /** Listen with TLS on `port` itself, and nowhere without it. Needs `tls`. */
  readonly tlsOnly?: boolean
  /** Default: `REDIS_SERVER_BIN`, else what the machine has. */
  readonly binary?: string
  /** How long the server may take until it accepts connections, ms. Default 10,000. */
  readonly startTimeoutMs?: number
}

export interface RedisExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

const running = new Set<RedisServer>()

/** The servers this process has started and not yet stopped. */
export function runningServers(): readonly RedisServer[] {
  return [...running]
}

/**
 * A real server of one's own, with its own folder. It and its folder go when this process ends, however that
 * happens.
 */
export class RedisServer {
  #host: string
  #port: number
  readonly socketPath: string
  /** Data, sockets and redis.conf; removed by `stop()`. */
  readonly dir: string
  readonly password: string | undefined
  readonly #tls: TlsCertificates | undefined
  readonly #tlsPort: number | undefined
  /** Settles when the process running now ends. `restart()` puts a new promise here. */
  exited: Promise<RedisExit> = Promise.resolve({ code: null, signal: null })

  #options: StartRedisOptions
  readonly #command: readonly string[]
  readonly #startTimeoutMs: number
  readonly #unguardFolder: () => void
  #child: ChildProcess | undefined
  #log = ''

  constructor(
    binary: string,
    place: { port: number; tlsPort: number | undefined; dir: string },
    options: StartRedisOptions,
    certificates: TlsCertificates | undefined,
  ) {
    this.#options = options
    this.#host = options.host ?? '127.0.0.1'
    this.#port = place.port
    this.dir = place.dir
    this.#unguardFolder = guardFolder(place.dir)
    this.socketPath = join(place.dir, 'redis.sock')
    this.password = options.password
    this.#tls = certificates
    this.#tlsPort = place.tlsPort
    this.#command = [binary, join(place.dir, 'redis.conf'), ...(options.args ?? [])]
    this.#writeConfig()
    this.#startTimeoutMs = options.startTimeoutMs ?? 10_000
  }

  get host(): string {
    return this.#host
  }

  get port(): number {
    return this.#port
  }

  /** `redis://` with the default user's password, if any. */
  get url(): string {
    return `redis://${this.#credentials}${this.host}:${this.port}`
  }

  get tls(): (TlsCertificates & { readonly port: number; readonly url: string }) | undefined {
    if (this.#tls === undefined) return undefined
    const port = this.#tlsPort ?? this.port
    return { ...this.#tls, port, url: `rediss://${this.#credentials}${this.host}:${port}` }
  }

  get #credentials(): string {
    return this.password === undefined ? '' : `:${encodeURIComponent(this.password)}@`
  }

  /** @throws Error when the server is not running */
  get pid(): number {
    if (!this.running || this.#child?.pid === undefined) throw new Error('This Redis server is not running')
    return this.#child.pid
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** The last 64 KiB the server has logged. */
  get log(): string {
    return this.#log
  }

  get target(): RawTarget {
    return { path: this.socketPath, password: this.password }
  }

  /** Asks the server over a connection that shares no code with cenote. */
  command(...args: (string | number | Buffer)[]): Promise<RawReply> {
    return rawCommand(this.target, ...args)
  }

  /** Ends the process and waits until it is gone; the folder stays, so that `restart()` finds its data. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (!this.running) return
    // Started servers do not hold the event loop; while somebody waits for the end of one, it must.
    this.#child?.ref()
    this.#child?.kill(signal)
    // A paused process keeps every signal but SIGKILL until it goes on.
    if (signal !== 'SIGKILL') this.#child?.kill('SIGCONT')
    await this.exited
  }

  /**
   * Has the server listen elsewhere, or with other settings, from its next start on; its folder stays.
   * @throws Error while it is running
   */
  relocate(place: Pick<StartRedisOptions, 'host' | 'port' | 'config'>): void {
    if (this.running) throw new Error('Only a server that is not running can be relocated')
    this.#options = { ...this.#options, config: { ...this.#options.config, ...place.config } }
    this.#host = place.host ?? this.#host
    this.#port = place.port ?? this.#port
    this.#writeConfig()
  }

  /** Starts the server again on the same port and folder, ending it first (SIGKILL) if it still runs. */
  async restart(): Promise<void> {
    await this.kill()
    await this.start()
  }

  /** Stops the process where it stands (SIGSTOP): connections stay open, the kernel accepts new ones, nothing answers. */
  pause(): void {
    process.kill(this.pid, 'SIGSTOP')
  }

  resume(): void {
    process.kill(this.pid, 'SIGCONT')
  }

  /** Ends the process and removes the folder. May be called twice. */
  async stop(): Promise<void> {
    await this.kill()
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 })
    this.#unguardFolder()
    running.delete(this)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** @internal Called by `startRedis` and `restart`. */
  async start(): Promise<void> {
    const [file, ...args] = this.#command
    // Its own process group: signals meant for the test run spare it, and its snapshot children die with it.
    const child = spawn(file as string, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'], cwd: this.dir })
    this.#child = child
    const unguard = child.pid === undefined ? () => {} : guardGroup(child.pid)
    running.add(this)
    this.exited = new Promise((resolve) => {
      child.once('error', (error) => {
        this.#log += `${error.message}\n`
        resolve({ code: null, signal: null })
      })
      child.once('exit', (code, signal) => {
        unguard()
        resolve({ code, signal })
      })
    })
    await this.#ready(child)
    // From here on the server alone must not keep its starter's event loop alive.
    child.unref()
    for (const stream of [child.stdout, child.stderr]) (stream as unknown as { unref?: () => void } | null)?.unref?.()
  }

  async #ready(child: ChildProcess): Promise<void> {
    const seen = new Promise<'ready'>((resolve) => {
      let tail = ''
      const onOutput = (chunk: Buffer) => {
        this.#log = (this.#log + chunk.toString()).slice(-65_536)
        tail = (tail + chunk.toString()).slice(-4_096)
        if (/ready to accept connections|Sentinel ID is/i.test(tail)) resolve('ready')
      }
      child.stdout?.on('data', onOutput)
      child.stderr?.on('data', onOutput)
    })
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(resolve, this.#startTimeoutMs, 'late')
    })
    const first = await Promise.race([seen, late, this.exited])
    clearTimeout(timer)
    if (first === 'ready') return
    if (first === 'late') await this.kill()
    const what = first === 'late' ? `was not ready after ${this.#startTimeoutMs} ms` : 'ended while starting'
    throw new Error(`redis-server ${what}. Its last words:\n${this.#log.split('\n').slice(-15).join('\n')}`)
  }

  #writeConfig(): void {
    writeFileSync(join(this.dir, 'redis.conf'), this.#configText(this.#options), { mode: 0o600 })
  }

  #configText(options: StartRedisOptions): string {
    const config: Record<string, string | number | readonly string[]> = {
      bind: this.host,
      port: this.port,
      'protected-mode': 'no',
      unixsocket: quote(this.socketPath),
      unixsocketperm: '700',
      dir: quote(this.dir),
      save: '""',
      appendonly: options.appendOnly ? 'yes' : 'no',
      appendfsync: options.appendOnly === 'always' ? 'always' : 'everysec',
    }
    if (options.password !== undefined) config.requirepass = quote(options.password)
    if (options.users) config.user = options.users
    if (this.#tls) {
      const file = (name: string, text: string) => {
        const path = join(this.dir, name)
        writeFileSync(path, text, { mode: 0o600 })
        return quote(path)
      }
      config['tls-port'] = this.#tlsPort ?? this.port
      if (options.tlsOnly) config.port = 0
      config['tls-cert-file'] = file('server.crt', this.#tls.cert)
      config['tls-key-file'] = file('server.key', this.#tls.key)
      config['tls-ca-cert-file'] = file('ca.crt', this.#tls.ca)
      config['tls-auth-clients'] = 'optional'
    }
    const lines: string[] = []
    for (const [name, value] of Object.entries({ ...config, ...options.config })) {
      for (const one of typeof value === 'object' ? value : [value]) lines.push(`${name} ${one}`)
    }
    return `${lines.join('\n')}\n`
  }
}

function quote(value: string): string {
  return `"${value.replace(/[\\"]/g, '\\$&')}"`
}

/** @internal */
export function makeFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'cenote-redis-'))
  // A Unix socket's path is limited to about 104 bytes; a long TMPDIR leaves no room for it.
  if (Buffer.byteLength(join(dir, 'redis.sock')) < 100 || !existsSync('/tmp')) return dir
  rmSync(dir, { recursive: true })
  return mkdtempSync('/tmp/cenote-redis-')
}

/**
 * Starts a private server on a free port and a Unix socket, and waits until it accepts connections.
 * @throws Error when no server binary is found, or the server ends while starting (its log is in the message)
 */
export async function startRedis(options: StartRedisOptions = {}): Promise<RedisServer> {
  const binary = options.binary ?? findRedisServer()
  if (binary === undefined) {
    throw new Error('No redis-server or valkey-server found: install one, or set REDIS_SERVER_BIN to its path')
  }
  const certificates = options.tls === true ? tlsCertificates() : options.tls || undefined
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort(options.host))
    const tlsPort = certificates && !options.tlsOnly ? await freePort(options.host) : undefined
    const server = new RedisServer(binary, { port, tlsPort, dir: makeFolder() }, options, certificates)
    try {
      await server.start()
      return server
    } catch (error) {
      await server.stop()
      // Between finding a free port and listening on it another process may have taken it.
      const lostPort = options.port === undefined && /address already in use/i.test(server.log)
      if (!lostPort || attempt === 5) throw error
    }
  }
}
