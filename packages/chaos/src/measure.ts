import { RawClient, type RedisServer } from '@cenote/test-support'
import type { Address, ChaosClient } from './client.js'
import { acknowledgedAt, type Call } from './load/call.js'
import { violations } from './load/invariants.js'
import { Keys } from './load/kind.js'
import { LoadRun } from './load/load-run.js'
import { wholeLoad } from './load/roles.js'
import type { Network } from './network.js'
import { freezeSelf } from './own-process.js'
import type { FaultProxy } from './proxy.js'
import { Random } from './random.js'
import type { FaultResult } from './run.js'
import type { Scenario, World } from './scenario.js'

export type ClientFactory = (address: Address, scenario: Scenario) => ChaosClient | Promise<ChaosClient>

/** One fault, its server and the way to it. */
export interface Stage {
  readonly scenario: Scenario
  readonly seed: number
  readonly factory: ClientFactory
  readonly server: RedisServer
  readonly proxy: FaultProxy | undefined
  readonly network: Network | undefined
}

const DEFAULT_TIMEOUT_MS = 1_500
const WARM_UP_MS = 250
const AFTERMATH_MS = 300
/** A client that has not served by then is taken to be stuck. */
const RECOVERY_LIMIT_MS = 10_000

/** Puts the load on one client, lets the fault happen, and compares what callers were told with what the server holds. */
export async function measure(stage: Stage): Promise<FaultResult> {
  const { scenario, seed, server } = stage
  const random = new Random(seed)
  const timeoutMs = scenario.timeoutMs ?? DEFAULT_TIMEOUT_MS
  const client = await stage.factory(addressOf(stage, timeoutMs), scenario)
  const publisher = new Publisher(server)
  const refused = scenario.refusedChannels ?? []
  const run = new LoadRun({
    client,
    roles: scenario.roles ?? wholeLoad(),
    random,
    timeoutMs,
    keys: new Keys(),
    databases: true,
    subscription:
      scenario.roles === undefined
        ? {
            channels: CHANNELS,
            publish: (channel, message) => publisher.publish(channel, message),
            mayMiss: (channel) => refused.includes(channel),
          }
        : undefined,
    wake: (key, element) => server.command('RPUSH', key, element),
  })
  const { load, pool, subscription } = run
  const marks = { injectedAt: 0, healedAt: 0, durableSince: Number.NEGATIVE_INFINITY }
  const complaints: string[] = []
  // Only calls issued after the fault began prove that service is back; those before may have been answered by luck.
  const isProof = ({ at, settledAt, verdict }: Call) =>
    verdict === 'ok' && settledAt > marks.healedAt && at > marks.injectedAt
  const served = () => (marks.healedAt === 0 ? undefined : load.calls.find(isProof))
  const world: World = {
    server,
    random,
    client,
    pool,
    load,
    subscription,
    proxy: stage.proxy!,
    network: stage.network!,
    pause,
    freeze: freezeSelf,
    injected: () => {
      marks.injectedAt = performance.now()
    },
    healed: () => {
      marks.healedAt = performance.now()
    },
    forgets: () => {
      marks.durableSince = performance.now()
    },
    served: () => served() !== undefined,
    complain: (text) => complaints.push(text),
  }
  await run.start()
  await pause(WARM_UP_MS + random.between(0, 50))
  await scenario.run(world)
  const limit = performance.now() + RECOVERY_LIMIT_MS
  while (served() === undefined && performance.now() < limit) await pause(5)
  await pause(AFTERMATH_MS)
  await run.end(RECOVERY_LIMIT_MS)
  complaints.push(...((await scenario.check?.(world)) ?? []))
  complaints.push(...(await run.leasesLeft()))
  const stats = pool?.stats()
  publisher.close()
  await run.close()
  const { calls } = load
  const result = await run.audit({
    keys: load.keys,
    ask: (_key, ...command) => server.command(...command),
    lost: (call) => acknowledgedAt(call) > marks.durableSince,
    incrementsLost: () => marks.durableSince === Number.NEGATIVE_INFINITY,
    forgetful: () => marks.durableSince > 0,
    databases: true,
  })
  const failures = calls.filter(
    (call) => call.verdict !== 'ok' && call.verdict !== undefined && call.settledAt >= marks.injectedAt,
  )
  const first = failures.reduce((least, call) => Math.min(least, call.settledAt), Number.POSITIVE_INFINITY)
  const back = served()
  const all = violations(scenario.mayMisdeliver === true ? { ...result, foreignReplies: 0 } : result)
  if (back === undefined) all.push(`not served again within ${RECOVERY_LIMIT_MS} ms`)
  const limitMs = scenario.servedWithinMs
  if (back !== undefined && limitMs !== undefined && back.settledAt - marks.healedAt > limitMs) {
    all.push(`served again after ${Math.round(back.settledAt - marks.healedAt)} ms instead of ${limitMs}`)
  }
  const asked = stats === undefined ? 0 : stats.commands.ok + stats.commands.rejected + stats.commands.unknown
  return {
    fault: scenario.name,
    client: client.name,
    seed,
    ...(first === Number.POSITIVE_INFINITY ? {} : { noticedMs: Math.round(first - marks.injectedAt) }),
    ...(back === undefined ? {} : { servedMs: Math.max(0, Math.round(back.settledAt - marks.healedAt)) }),
    calls: calls.length,
    audit: result,
    ...(stats === undefined ? {} : { sentPerCall: 1 + stats.commands.retried / Math.max(1, asked) }),
    violations: [...all, ...complaints],
    messages: distinct(failures.map((call) => call.error ?? '')),
  }
}

function addressOf({ scenario, server, proxy, network }: Stage, timeoutMs: number): Address {
  return {
    host: scenario.hostName ?? network?.host ?? '127.0.0.1',
    port: proxy?.port ?? (scenario.tls === true ? server.tls!.port : server.port),
    ...scenario.credentials,
    ca: scenario.tls === true ? server.tls!.ca : undefined,
    timeoutMs,
  }
}

const CHANNELS = ['news:0', 'news:1', 'news:2']

/** Publishes past whatever is broken, over the server's Unix socket. */
class Publisher {
  private connection: RawClient | undefined

  constructor(private readonly server: RedisServer) {}

  async publish(channel: string, message: string): Promise<void> {
    try {
      this.connection ??= await RawClient.open(this.server.target)
      await this.connection.send('PUBLISH', channel, message)
    } catch (error) {
      this.close()
      throw error
    }
  }

  close(): void {
    this.connection?.close()
    this.connection = undefined
  }
}

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** One of each kind: numbers and addresses aside. */
function distinct(messages: readonly string[]): string[] {
  const kinds = new Map<string, string>()
  for (const message of messages) {
    const kind = message.replace(/\d+/g, '#').replace(/^\w+: (ECHO|GET|RPUSH|INCR)/, '')
    if (!kinds.has(kind)) kinds.set(kind, message)
  }
  return [...kinds.values()]
}
