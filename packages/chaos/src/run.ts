import { findRedisServer, LeakWatch, type RedisServer, startRedis } from '@cenote/test-support'
import type { RedisPool } from 'cenote'
import { type CenoteClient, cenoteClient } from './cenote-client.js'
import type { Address, ChaosClient } from './client.js'
import { type Audit, audit, readTruth, violations } from './invariants.js'
import { Network } from './network.js'
import { FaultProxy } from './proxy.js'
import { Random } from './random.js'
import type { Scenario, World } from './scenario.js'
import { LagMeter, seedCommands, Workload } from './workload.js'

export interface FaultResult {
  readonly fault: string
  readonly client: string
  readonly seed: number
  /** Why it could not be run here. */
  readonly skipped?: string
  /** From the fault's beginning to the first error any caller got; undefined when nobody got one. */
  readonly noticedMs?: number
  /** From the moment nothing was in the way any more to the first success. */
  readonly servedMs?: number
  readonly calls: number
  readonly audit?: Audit
  readonly sentPerCall?: number
  readonly violations: readonly string[]
  /** One message of each kind that callers got. */
  readonly messages: readonly string[]
}

export type ClientFactory = (address: Address, scenario: Scenario) => ChaosClient | Promise<ChaosClient>

const DEFAULT_TIMEOUT_MS = 1_500
const WARM_UP_MS = 250
const AFTERMATH_MS = 300
/** A client that has not served by then is taken to be stuck. */
const RECOVERY_LIMIT_MS = 10_000

const cenoteFactory: ClientFactory = (address, scenario) =>
  cenoteClient(address, { healthCheckIntervalMs: 500, ...scenario.pool })

/** Runs one fault against one client and judges what came of it. */
export async function runFault(
  scenario: Scenario,
  seed: number,
  factory: ClientFactory = cenoteFactory,
): Promise<FaultResult> {
  const missing = scenario.path === 'network' ? Network.unavailable() : undefined
  if (missing !== undefined) {
    return { fault: scenario.name, client: '', seed, skipped: missing, calls: 0, violations: [], messages: [] }
  }
  // Loaded by the first server started, and kept for good.
  await warmUp()
  // Remembers every timer that was ever made, so it must be gone when memory is looked at.
  let leaks: LeakWatch | undefined = new LeakWatch()
  const before = footprint()
  let network = scenario.path === 'network' ? Network.open() : undefined
  let server: RedisServer | undefined
  let proxy: FaultProxy | undefined
  try {
    server = await startServer(scenario, network)
    await scenario.prepare?.(server)
    for (const command of seedCommands()) await server.command(...command)
    proxy = scenario.path === 'proxy' ? await FaultProxy.open(server) : undefined
    const result = await measure(scenario, seed, factory, server, proxy, network)
    await proxy?.close()
    await server.stop()
    network?.close()
    network = undefined
    const left = await leaks.expectNone(2_000).then(
      () => [],
      (error: Error) => [error.message],
    )
    leaks = undefined
    return { ...result, violations: [...result.violations, ...left, ...grown(before, footprint())] }
  } finally {
    // Ends the watch when the run failed before it could.
    await leaks?.expectNone(0).catch(() => undefined)
    await proxy?.close().catch(() => undefined)
    await server?.stop()
    network?.close()
  }
}

function startServer(scenario: Scenario, network: Network | undefined): Promise<RedisServer> {
  if (network === undefined) return startRedis(scenario.server)
  const binary = findRedisServer()
  if (binary === undefined) throw new Error('No redis-server found')
  return startRedis({
    ...scenario.server,
    binary: network.binary(binary),
    config: { bind: `127.0.0.1 ${network.host}`, ...scenario.server?.config },
  })
}

async function measure(
  scenario: Scenario,
  seed: number,
  factory: ClientFactory,
  server: RedisServer,
  proxy: FaultProxy | undefined,
  network: Network | undefined,
): Promise<FaultResult> {
  const random = new Random(seed)
  const timeoutMs = scenario.timeoutMs ?? DEFAULT_TIMEOUT_MS
  const client = await factory(
    {
      host: scenario.hostName ?? network?.host ?? '127.0.0.1',
      port: proxy?.port ?? server.port,
      ...scenario.credentials,
      timeoutMs,
    },
    scenario,
  )
  const lag = new LagMeter()
  const load = new Workload(
    client,
    scenario.callers ?? 40,
    random,
    lag,
    scenario.mix ?? ['echo', 'get', 'push', 'count'],
  )
  let injectedAt = 0
  let healedAt = 0
  let durableSince = Number.NEGATIVE_INFINITY
  const pool: RedisPool | undefined = (client as Partial<CenoteClient>).pool
  const world: World = {
    server,
    random,
    client,
    pool,
    load,
    proxy: proxy!,
    network: network!,
    pause: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
    injected: () => {
      injectedAt = performance.now()
    },
    healed: () => {
      healedAt = performance.now()
    },
    forgets: () => {
      durableSince = performance.now()
    },
  }
  await world.pause(WARM_UP_MS + random.between(0, 50))
  await scenario.run(world)
  // Only calls issued after the healing prove that service is back; those before may have been answered by luck.
  const isProof = (at: number, settledAt: number, ok: boolean) => ok && settledAt > healedAt && at > injectedAt
  const served = () => load.calls.find((call) => isProof(call.at, call.settledAt, call.verdict === 'ok'))
  const limit = performance.now() + RECOVERY_LIMIT_MS
  while (served() === undefined && performance.now() < limit) await world.pause(5)
  await world.pause(AFTERMATH_MS)
  await load.stop(timeoutMs + 2_000)
  const complaints = scenario.check?.(world) ?? []
  const stats = pool?.stats()
  await within(3_000, client.close())
  lag.stop()
  const truth = await readTruth((...args) => server.command(...args))
  const { calls } = load
  const result = audit(calls, truth, timeoutMs, durableSince)
  const failures = calls.filter(
    (call) => call.verdict !== 'ok' && call.verdict !== undefined && call.settledAt >= injectedAt,
  )
  const first = failures.reduce((least, call) => Math.min(least, call.settledAt), Number.POSITIVE_INFINITY)
  const back = served()
  const all = violations(scenario.mayMisdeliver === true ? { ...result, foreignReplies: 0 } : result)
  if (back === undefined) all.push(`not served again within ${RECOVERY_LIMIT_MS} ms`)
  const limitMs = scenario.servedWithinMs
  if (back !== undefined && limitMs !== undefined && back.settledAt - healedAt > limitMs) {
    all.push(`served again after ${Math.round(back.settledAt - healedAt)} ms instead of ${limitMs}`)
  }
  const asked = stats === undefined ? 0 : stats.commands.ok + stats.commands.rejected + stats.commands.unknown
  return {
    fault: scenario.name,
    client: client.name,
    seed,
    ...(first === Number.POSITIVE_INFINITY ? {} : { noticedMs: Math.round(first - injectedAt) }),
    ...(back === undefined ? {} : { servedMs: Math.max(0, Math.round(back.settledAt - healedAt)) }),
    calls: calls.length,
    audit: result,
    ...(stats === undefined ? {} : { sentPerCall: 1 + stats.commands.retried / Math.max(1, asked) }),
    violations: [...all, ...complaints],
    messages: distinct(failures.map((call) => call.error ?? '')),
  }
}

interface Footprint {
  readonly listeners: number
  /** Undefined unless Node was started with --expose-gc. */
  readonly heapBytes: number | undefined
}

/** Code that was compiled for the first time stays; what is held for each command or caller would be far more. */
const HEAP_SLACK_BYTES = 12e6

function footprint(): Footprint {
  const collect = (globalThis as { gc?: () => void }).gc
  collect?.()
  return {
    listeners: process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0),
    heapBytes: collect === undefined ? undefined : process.memoryUsage().heapUsed,
  }
}

function grown(before: Footprint, after: Footprint): string[] {
  const found: string[] = []
  if (after.listeners > before.listeners)
    found.push(`${after.listeners - before.listeners} listeners left on the process`)
  const bytes = (after.heapBytes ?? 0) - (before.heapBytes ?? 0)
  if (bytes > HEAP_SLACK_BYTES) found.push(`${Math.round(bytes / 1e6)} MB more on the heap than before`)
  return found
}

let warm = false

/** Whatever a process opens once and keeps (a guardian of its servers, a resolver) is no leak of the fault after it. */
async function warmUp(): Promise<void> {
  if (warm) return
  warm = true
  const server = await startRedis()
  await server.stop()
}

async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, milliseconds)
  })
  await Promise.race([work.catch(() => undefined), late])
  clearTimeout(timer)
}

/** One of each kind: numbers and addresses aside. */
function distinct(messages: readonly string[]): string[] {
  const kinds = new Map<string, string>()
  for (const message of messages) {
    const kind = message.replace(/\d+/g, '#').replace(/^\w+: (ECHO|GET|RPUSH|INCR)/, '')
    if (!kinds.has(kind)) kinds.set(kind, message)
  }
  return [...kinds.values()]
}
