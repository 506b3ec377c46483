import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { waitUntil } from '../cluster/redis-cluster.js'
import { RawClient, type RawReply } from '../raw-client.js'
import type { RedisServer } from '../redis-server.js'

const DEFAULT_NAME = 'mymaster'

/** Primaries, their replicas, and the sentinels that watch them. Everything goes with `stop()`. */
export class SentinelSet {
  readonly #groups: ReadonlyMap<string, readonly RedisServer[]>
  readonly sentinels: readonly RedisServer[]
  readonly quorum: number
  readonly password: string | undefined
  readonly sentinelPassword: string | undefined

  constructor(
    groups: ReadonlyMap<string, readonly RedisServer[]>,
    sentinels: readonly RedisServer[],
    options: { quorum: number; password: string | undefined; sentinelPassword: string | undefined },
  ) {
    this.#groups = groups
    this.sentinels = sentinels
    this.quorum = options.quorum
    this.password = options.password
    this.sentinelPassword = options.sentinelPassword
  }

  get names(): readonly string[] {
    return [...this.#groups.keys()]
  }

  /** Every data server. */
  get servers(): readonly RedisServer[] {
    return [...this.#groups.values()].flat()
  }

  /** The servers of one name: first the primary of the start, then its replicas. */
  group(name: string = DEFAULT_NAME): readonly RedisServer[] {
    const group = this.#groups.get(name)
    if (group === undefined) throw new Error(`No primary is called ${name}`)
    return group
  }

  /** Where clients may begin. */
  get seeds(): { host: string; port: number }[] {
    return this.sentinels.map(({ host, port }) => ({ host, port }))
  }

  /** The server that calls itself primary; the one that most replicas follow if several do. */
  async primary(name: string = DEFAULT_NAME): Promise<RedisServer> {
    const followers = new Map<RedisServer, number>()
    await Promise.all(
      this.group(name).map(async (server) => {
        const role = await roleOf(server)
        if (role?.[0] === 'master') followers.set(server, (role[2] as RawReply[]).length)
      }),
    )
    const [best] = [...followers].sort((a, b) => b[1] - a[1])
    if (best === undefined) throw new Error(`No server of ${name} calls itself primary`)
    return best[0]
  }

  /** What a sentinel gives clients as the address of the primary. */
  async addressAt(sentinel: RedisServer, name: string = DEFAULT_NAME): Promise<number | undefined> {
    const reply = (await sentinel.command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name)) as [string, string] | null
    return reply === null ? undefined : Number(reply[1])
  }

  /** Until every running sentinel knows the others and the replicas, and all agree with the servers on the primary. */
  async agreed(limitMs = 20_000): Promise<void> {
    await waitUntil('the sentinels to agree', () => this.#agree(), limitMs)
  }

  async #agree(): Promise<boolean> {
    const up = this.sentinels.filter(({ running }) => running)
    for (const [name, group] of this.#groups) {
      const primary = await this.primary(name)
      const replicas = group.filter((server) => server.running && server !== primary)
      for (const replica of replicas) {
        const role = await roleOf(replica)
        if (role?.[0] !== 'slave' || role[2] !== primary.port || role[3] !== 'connected') return false
      }
      for (const sentinel of up) {
        if ((await this.addressAt(sentinel, name)) !== primary.port) return false
        const info = await ask(sentinel, 'SENTINEL', 'MASTER', name)
        if (info === undefined) return false
        if (Number(info.get('num-other-sentinels')) < up.length - 1) return false
        if (Number(info.get('num-slaves')) < replicas.length || info.get('flags') !== 'master') return false
      }
    }
    return true
  }

  /**
   * SENTINEL FAILOVER at this sentinel, which leads it. Resolves when the sentinel has begun; soon after another change
   * it refuses for a while, because it does not know yet how its replicas are.
   */
  async failover(leader: RedisServer = this.sentinels[0]!, name: string = DEFAULT_NAME): Promise<void> {
    const begins = () => leader.command('SENTINEL', 'FAILOVER', name).then((reply) => reply === 'OK')
    await waitUntil(`${name} to have a replica that can be promoted`, begins, 20_000)
  }

  /** Until a running server other than `old` calls itself primary; resolves to it. */
  async promoted(old: RedisServer, name: string = DEFAULT_NAME, limitMs = 30_000): Promise<RedisServer> {
    let found: RedisServer | undefined
    await waitUntil(
      'a replica to be promoted',
      async () => {
        for (const server of this.group(name)) {
          if (server !== old && (await roleOf(server))?.[0] === 'master') found = server
        }
        return found !== undefined
      },
      limitMs,
    )
    return found!
  }

  /** Restarts every sentinel at another address, on the same port, with what it remembers of the servers. */
  async moveSentinels(hostOf: (index: number) => string): Promise<void> {
    await Promise.all(this.sentinels.map((sentinel) => sentinel.kill()))
    const before = this.sentinels.map(({ host }) => host)
    for (const [i, sentinel] of this.sentinels.entries()) {
      const path = join(sentinel.dir, 'redis.conf')
      let text = readFileSync(path, 'utf8')
      for (const [j, host] of before.entries()) text = text.replaceAll(host, hostOf(j))
      sentinel.relocate({ host: hostOf(i) })
      writeFileSync(path, text)
    }
    await Promise.all(this.sentinels.map((sentinel) => sentinel.start()))
  }

  /** Shortens the periods of the running sentinels. Shorter ones than these make failovers fail. */
  async hasten(): Promise<void> {
    const periods = ['INFO-PERIOD', 100, 'PING-PERIOD', 300, 'ASK-PERIOD', 100, 'PUBLISH-PERIOD', 200]
    const up = this.sentinels.filter(({ running }) => running)
    // Redis before 7 and some others cannot; they are as fast as they are.
    await Promise.all(up.map((sentinel) => sentinel.command('SENTINEL', 'DEBUG', ...periods).catch(() => undefined)))
  }

  /** Listens to a sentinel's events. */
  async events(sentinel: RedisServer, onEvent: (name: string, detail: string) => void): Promise<RawClient> {
    const raw = await RawClient.open({ host: sentinel.host, port: sentinel.port, password: this.sentinelPassword })
    raw.onMessage = (channel, message) => onEvent(channel, message)
    await raw.send('PSUBSCRIBE', '*')
    return raw
  }

  /** Ends every process and removes every folder. May be called twice. */
  async stop(): Promise<void> {
    await Promise.all([...this.sentinels, ...this.servers].map((server) => server.stop()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

/** ROLE, or undefined from a server that is down or frozen. */
async function roleOf(server: RedisServer): Promise<RawReply[] | undefined> {
  if (!server.running) return undefined
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, 1_000, undefined)
  })
  const role = server.command('ROLE').catch(() => undefined) as Promise<RawReply[] | undefined>
  return Promise.race([role, late]).finally(() => clearTimeout(timer))
}

async function ask(sentinel: RedisServer, ...command: string[]): Promise<Map<string, string> | undefined> {
  const flat = (await sentinel.command(...command).catch(() => undefined)) as string[] | undefined
  if (flat === undefined) return undefined
  const map = new Map<string, string>()
  for (let i = 0; i + 1 < flat.length; i += 2) map.set(flat[i]!, flat[i + 1]!)
  return map
}
