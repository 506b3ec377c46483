import { randomBytes } from 'node:crypto'
import { findRedisServer } from '../find-redis.js'
import { freePort } from '../free-port.js'
import { makeFolder, RedisServer, type StartRedisOptions } from '../redis-server.js'
import { SentinelSet } from './sentinel-set.js'

export interface StartSentinelsOptions {
  /** Default 2. */
  readonly replicas?: number
  /** Default 3. */
  readonly sentinels?: number
  /** Sentinels that must agree. Default: more than half. */
  readonly quorum?: number
  /** Names of the primaries watched; each brings a primary with replicas of its own. Default `['mymaster']`. */
  readonly names?: readonly string[]
  /** down-after-milliseconds. Default 1,000. */
  readonly downAfterMs?: number
  /** failover-timeout. Default 3,000. */
  readonly failoverTimeoutMs?: number
  /**
   * Has sentinels ask and publish about ten times as often as they do by themselves. On a busy machine what they know of
   * replicas is then too old too soon, and failovers are given up. Default false.
   */
  readonly hasty?: boolean
  /**
   * Of the sentinels. `ports`: all at 127.0.0.1; `loopbacks`: each at an address of its own, 127.0.0.111 and up, all on
   * one port; Linux only. Default `ports`.
   */
  readonly sentinelAddresses?: 'ports' | 'loopbacks'
  /** Of the data servers. */
  readonly password?: string
  /** Asked of clients by sentinels. */
  readonly sentinelPassword?: string
  readonly appendOnly?: StartRedisOptions['appendOnly']
  /** Further lines of redis.conf for the data servers. */
  readonly config?: StartRedisOptions['config']
  readonly binary?: string
}

const ATTEMPTS = 5

/**
 * Starts a primary with replicas for each name, and sentinels that know all of them and each other from the start: left
 * to find out by themselves they take 2 to 3 s.
 */
export async function startSentinels(options: StartSentinelsOptions = {}): Promise<SentinelSet> {
  const binary = options.binary ?? findRedisServer()
  if (binary === undefined) throw new Error('No redis-server or valkey-server found')
  for (let attempt = 1; ; attempt++) {
    const set = await build(binary, options)
    const servers = [...set.servers, ...set.sentinels]
    const started = await Promise.allSettled(servers.map((server) => server.start()))
    const failed = started.find((result) => result.status === 'rejected')
    if (failed === undefined) {
      try {
        if (options.hasty === true) await set.hasten()
        await set.agreed()
        return set
      } catch (error) {
        await set.stop()
        throw error
      }
    }
    const lostPort = servers.some(({ log }) => /address already in use/i.test(log))
    await set.stop()
    if (!lostPort || attempt === ATTEMPTS) throw failed.reason
  }
}

async function build(binary: string, options: StartSentinelsOptions): Promise<SentinelSet> {
  const { replicas = 2, sentinels = 3, names = ['mymaster'], password } = options
  const make = (port: number, more: StartRedisOptions) =>
    new RedisServer(
      binary,
      { port, tlsPort: undefined, dir: makeFolder() },
      { ...more, password: more.password },
      undefined,
    )
  const groups = new Map<string, RedisServer[]>()
  for (const name of names) {
    const primaryPort = await freePort()
    const group: RedisServer[] = []
    for (let i = 0; i <= replicas; i++) {
      const config = {
        'repl-diskless-sync-delay': 0,
        'repl-ping-replica-period': 1,
        ...(i === 0 ? {} : { replicaof: `127.0.0.1 ${primaryPort}` }),
        ...(password === undefined ? {} : { masterauth: password }),
        ...options.config,
      }
      const port = i === 0 ? primaryPort : await freePort()
      group.push(make(port, { password, appendOnly: options.appendOnly, config }))
    }
    groups.set(name, group)
  }
  const apart = options.sentinelAddresses === 'loopbacks'
  const common = apart ? await freePort('127.0.0.111') : undefined
  const watchers = await Promise.all(
    Array.from({ length: sentinels }, async (_, i) => ({
      host: apart ? `127.0.0.${111 + i}` : '127.0.0.1',
      port: common ?? (await freePort()),
      id: randomBytes(20).toString('hex'),
    })),
  )
  const quorum = options.quorum ?? Math.floor(sentinels / 2) + 1
  const made = watchers.map((own) => {
    const lines = [`myid ${own.id}`, 'current-epoch 1']
    for (const [name, group] of groups) {
      lines.push(`monitor ${name} 127.0.0.1 ${group[0]!.port} ${quorum}`)
      lines.push(`down-after-milliseconds ${name} ${options.downAfterMs ?? 1_000}`)
      lines.push(`failover-timeout ${name} ${options.failoverTimeoutMs ?? 3_000}`)
      // Above zero, so that a view that is older can be told.
      lines.push(`config-epoch ${name} 1`)
      lines.push(`parallel-syncs ${name} ${Math.max(1, replicas)}`)
      if (password !== undefined) lines.push(`auth-pass ${name} ${password}`)
      for (const replica of group.slice(1)) lines.push(`known-replica ${name} 127.0.0.1 ${replica.port}`)
      for (const other of watchers) {
        if (other !== own) lines.push(`known-sentinel ${name} ${other.host} ${other.port} ${other.id}`)
      }
    }
    if (options.sentinelPassword !== undefined) lines.push(`sentinel-pass ${options.sentinelPassword}`)
    const more: StartRedisOptions['config'] = apart ? { 'bind-source-addr': own.host } : {}
    const { host } = own
    const config = { ...more, sentinel: apart ? [...lines, `announce-ip ${host}`] : lines }
    return make(own.port, { host, args: ['--sentinel'], password: options.sentinelPassword, config })
  })
  return new SentinelSet(groups, made, { quorum, password, sentinelPassword: options.sentinelPassword })
}
