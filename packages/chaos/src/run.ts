import { findRedisServer, LeakWatch, type RedisServer, startRedis } from '@cenote/test-support'
import { cenoteClient } from './cenote-client.js'
import { footprint, grown } from './footprint.js'
import type { Audit } from './load/invariants.js'
import { Keys } from './load/kind.js'
import { seedCommands } from './load/workload.js'
import { type ClientFactory, measure } from './measure.js'
import { Network } from './network.js'
import { runInOwnProcess } from './own-process.js'
import { FaultProxy } from './proxy.js'
import type { Scenario } from './scenario.js'

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

/**
 * What is held by nobody is looked at by the health check, so it is made often enough to be seen in a fault of a second.
 * The comparison with other clients leaves it at its default.
 */
const cenoteFactory: ClientFactory = (address, scenario) =>
  cenoteClient(address, { healthCheckIntervalMs: 500, acquireTimeoutMs: address.timeoutMs, ...scenario.pool })

/** Runs one fault against cenote and judges what came of it. */
export function runFault(scenario: Scenario, seed: number): Promise<FaultResult> {
  return scenario.ownProcess === true ? runInOwnProcess(scenario.name, seed) : runHere(scenario, seed)
}

/** Runs one fault against a client, in this process. */
export async function runHere(
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
    await scenario.prepare?.(server, network)
    for (const { command } of seedCommands(new Keys())) await server.command(...command)
    if (scenario.path === 'proxy')
      proxy = await FaultProxy.open({ host: server.host, port: server.tls?.port ?? server.port })
    const result = await measure({ scenario, seed, factory, server, proxy, network })
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
    scenario.cleanUp?.()
    // Ends the watch when the run failed before it could.
    await leaks?.expectNone(0).catch(() => undefined)
    await proxy?.close().catch(() => undefined)
    await server?.stop()
    network?.close()
  }
}

function startServer(scenario: Scenario, network: Network | undefined): Promise<RedisServer> {
  const options = { ...scenario.server, tls: scenario.tls === true }
  if (network === undefined) return startRedis(options)
  const binary = findRedisServer()
  if (binary === undefined) throw new Error('No redis-server found')
  return startRedis({
    ...options,
    binary: network.binary(binary),
    config: { bind: '0.0.0.0', ...scenario.server?.config },
  })
}

let warm = false

/** Whatever a process opens once and keeps (a guardian of its servers, a resolver) is no leak of the fault after it. */
async function warmUp(): Promise<void> {
  if (warm) return
  warm = true
  const server = await startRedis()
  await server.stop()
}
