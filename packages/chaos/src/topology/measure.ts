import {
  type RedisCluster,
  type RedisServer,
  type SentinelSet,
  startCluster,
  startSentinels,
} from '@cenote/test-support'
import type { Call } from '../load/call.js'
import { type Audit, violations } from '../load/invariants.js'
import { LoadRun } from '../load/load-run.js'
import { topologyLoad } from '../load/roles.js'
import { Random } from '../random.js'
import { ExecutionLog } from './execution-log.js'
import { TopologyPublisher } from './publisher.js'
import type { OpenTopologyClient, TopologyAddress, TopologyScenario, TopologyWorld } from './scenario.js'
import { runScripted, type ScriptedScenario } from './scripted.js'
import { ServerProbe } from './server-probe.js'
import { clusterServers, type Servers, sentinelServers } from './servers.js'
import { gaps, type Times, timesOf } from './times.js'

export interface TopologyResult {
  readonly fault: string
  readonly number: number
  readonly client: string
  readonly seed: number
  readonly calls: number
  readonly audit?: Audit
  /** Requests that never settled, and errors that do not say what became of their command. */
  readonly unsettled: { readonly hung: number; readonly unsaid: number }
  readonly times?: Times
  /** Errors on groups that were touched, and on those that were not. */
  readonly errors: { readonly touched: number; readonly others: number }
  /**
   * Acknowledged writes that are gone. Excused: a server ran them and threw them away, and no client could know. Never
   * ran: acknowledged although no server executed them.
   */
  readonly lost: { readonly excused: number; readonly unexcused: number; readonly neverRan: number }
  /** Writes that ran twice, on whatever servers. */
  readonly ranTwice: number
  readonly refreshes: number
  readonly violations: readonly string[]
  /** One message of each kind that callers got. */
  readonly messages: readonly string[]
}

const DEFAULT_TIMEOUT_MS = 5_000
const WARM_UP_MS = 300
const AFTERMATH_MS = 300
const RECOVERY_LIMIT_MS = 15_000
const ATTEMPTS = 3
const SERVED_WITHIN_MS = 500
const READY_LIMIT_MS = 10_000
const CHANNELS = ['news:0', 'news:1', 'news:2']
export const SENTINEL_NAME = 'mymaster'

type Started = {
  readonly servers: Servers
  readonly raw: RedisCluster | SentinelSet
  readonly address: TopologyAddress
}

/** Runs a fault of either sort. */
export function runTopologyFault(
  scenario: TopologyScenario | ScriptedScenario,
  seed: number,
  open: OpenTopologyClient,
): Promise<TopologyResult> {
  return 'script' in scenario ? runScripted(scenario, seed, open) : runReal(scenario, seed, open)
}

/** Starts the servers, puts the load on a client, lets the fault happen, and judges what came of it. */
async function runReal(scenario: TopologyScenario, seed: number, open: OpenTopologyClient): Promise<TopologyResult> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await runOnce(scenario, seed, open)
    } catch (error) {
      if (!(error instanceof Unsteady) || attempt === ATTEMPTS) throw error
    }
  }
}

/** Servers changed roles by themselves, so what was measured is not what the fault does. */
class Unsteady extends Error {
  constructor(when: string) {
    super(`Servers replaced a primary ${when}; the machine is too busy for their time-outs`)
  }
}

async function runOnce(scenario: TopologyScenario, seed: number, open: OpenTopologyClient): Promise<TopologyResult> {
  let started: Started | undefined
  try {
    started = await start(scenario)
    return await measure(scenario, seed, open, started)
  } finally {
    await scenario.cleanUp?.()
    await started?.servers.stop()
  }
}

async function start(scenario: TopologyScenario): Promise<Started> {
  const common = {
    timeoutMs: scenario.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    readFrom: scenario.readFrom ?? ('primary' as const),
    sharded: scenario.sharded === true,
    name: SENTINEL_NAME,
  }
  if (scenario.topology === 'cluster') {
    const cluster = await startCluster(scenario.servers)
    try {
      await cluster.settled()
      await scenario.prepare?.(cluster)
    } catch (error) {
      await cluster.stop()
      throw error
    }
    const { password, ca } = cluster
    const seeds = scenario.seeds?.(cluster) ?? cluster.seeds
    const address = { ...common, topology: 'cluster' as const, seeds, password, ca }
    return { servers: clusterServers(cluster, scenario.tagsPerPrimary ?? 4), raw: cluster, address }
  }
  const set = await startSentinels({ names: [SENTINEL_NAME], ...scenario.servers })
  try {
    await scenario.prepare?.(set)
  } catch (error) {
    await set.stop()
    throw error
  }
  const { password, sentinelPassword } = set
  const seeds = scenario.seeds?.(set) ?? set.seeds
  const address = { ...common, topology: 'sentinel' as const, seeds, password, sentinelPassword }
  return { servers: sentinelServers(set, SENTINEL_NAME), raw: set, address }
}

async function measure(
  scenario: TopologyScenario,
  seed: number,
  open: OpenTopologyClient,
  { servers, raw, address }: Started,
): Promise<TopologyResult> {
  const random = new Random(seed)
  const { keys } = servers
  for (let shard = 0; shard < keys.shards; shard++) {
    await servers.ask(keys.of('known', shard), 'SET', keys.of('known', shard), `value:${shard}`)
  }
  const log = new ExecutionLog(
    () => servers.data(),
    () => servers.ports(),
  )
  const probe = new ServerProbe()
  for (let group = 0; group < servers.groups; group++) {
    for (const server of servers.members(group)) probe.watch(server, keys.of('probe', group))
  }
  const publisher = publisherOf(scenario, servers, raw)
  const client = await inTime(Promise.resolve(open(address)))
  const run = new LoadRun({
    client,
    roles: scenario.roles ?? topologyLoad(keys.spread),
    random,
    timeoutMs: address.timeoutMs,
    keys,
    databases: scenario.topology === 'sentinel',
    subscription: {
      channels: scenario.sharded === true ? keys.tags.slice(0, 3).map((tag) => `news:{${tag}}`) : CHANNELS,
      publish: (channel, message) => publisher.publish(channel, message),
      sharded: scenario.sharded === true,
    },
    wake: (key, element) => servers.ask(key, 'RPUSH', key, element),
  })
  const complaints: string[] = []
  const marks = { injectedAt: 0, healedAt: 0 }
  const touched = new Set(scenario.touches)
  const groupOf = (call: Call) => servers.groupOf(call.shard)
  const served = () => servedAt(run.load.calls, marks, touched, groupOf)
  const world: TopologyWorld = {
    random,
    client,
    pool: run.pool,
    load: run.load,
    subscription: run.subscription,
    pause,
    injected: () => {
      marks.injectedAt = performance.now()
      log.mark()
    },
    healed: () => {
      marks.healedAt = performance.now()
    },
    servedBy: async (server, { group = 0, since = marks.injectedAt } = {}) => {
      probe.watch(server, keys.of('probe', group))
      marks.healedAt = await servedTime(probe, server, since)
    },
    served: () => served() !== undefined,
    complain: (text) => complaints.push(text),
  }
  try {
    await inTime(run.start())
    await pause(WARM_UP_MS + random.between(0, 50))
    const groups = Array.from({ length: servers.groups }, (_, group) => group)
    if (!(await servers.isSteady(groups))) throw new Unsteady('before the fault')
    await (scenario.run as (world: TopologyWorld, raw: unknown) => Promise<void>)(world, raw)
    const limit = performance.now() + RECOVERY_LIMIT_MS
    while (served() === undefined && performance.now() < limit) await pause(5)
    await pause(AFTERMATH_MS)
    const endedAt = performance.now()
    const spared = groups.filter((group) => !touched.has(group))
    if (!(await servers.isSteady(spared))) throw new Unsteady('that was not touched')
    await run.end(RECOVERY_LIMIT_MS)
    const more = await (scenario.check as ((world: TopologyWorld, raw: unknown) => string[]) | undefined)?.(world, raw)
    complaints.push(...(more ?? []), ...(await run.leasesLeft()))
    await run.close()
    await probe.stop()
    publisher.close()
    await ownersKnown(servers)
    return await judge({ scenario, seed, servers, run, log, marks, touched, endedAt, servedAt: served(), complaints })
  } finally {
    await run.close()
    await probe.stop()
    publisher.close()
    log.stop()
  }
}

function publisherOf(scenario: TopologyScenario, servers: Servers, raw: RedisCluster | SentinelSet): TopologyPublisher {
  const data = () => servers.data()
  if (scenario.sharded !== true) return new TopologyPublisher(data)
  const cluster = raw as RedisCluster
  return new TopologyPublisher(data, 'SPUBLISH', async (channel) => (await cluster.ownerOf(channel)).server)
}

async function servedTime(probe: ServerProbe, server: RedisServer, since: number): Promise<number> {
  const limit = performance.now() + 30_000
  for (;;) {
    const time = probe.firstServed(server, since)
    if (time !== undefined) return time
    if (performance.now() > limit) throw new Error('The servers did not recover')
    await pause(5)
  }
}

/** When every touched group had served somebody since the healing. */
function servedAt(
  calls: readonly Call[],
  marks: { readonly injectedAt: number; readonly healedAt: number },
  touched: ReadonlySet<number>,
  groupOf: (call: Call) => number,
): number | undefined {
  if (marks.healedAt === 0) return undefined
  let latest = 0
  for (const group of touched.size === 0 ? [0] : touched) {
    const proof = calls.find(
      (call) =>
        groupOf(call) === group &&
        call.verdict === 'ok' &&
        call.at > marks.injectedAt &&
        call.settledAt >= marks.healedAt,
    )
    if (proof === undefined) return undefined
    latest = Math.max(latest, proof.settledAt)
  }
  return latest
}

/** Keys can only be read once somebody owns them. */
async function ownersKnown(servers: Servers): Promise<void> {
  const limit = performance.now() + 20_000
  for (let shard = 0; shard < servers.keys.shards; ) {
    const key = servers.keys.of('known', shard)
    const found = await servers.ask(key, 'GET', key).then(
      () => true,
      () => false,
    )
    if (found) shard++
    else if (performance.now() > limit) throw new Error(`Nobody serves ${key} any more`)
    else await pause(20)
  }
}

interface Case {
  readonly scenario: TopologyScenario
  readonly seed: number
  readonly servers: Servers
  readonly run: LoadRun
  readonly log: ExecutionLog
  readonly marks: { readonly injectedAt: number; readonly healedAt: number }
  readonly touched: ReadonlySet<number>
  readonly endedAt: number
  readonly servedAt: number | undefined
  readonly complaints: readonly string[]
}

async function judge(one: Case): Promise<TopologyResult> {
  const { scenario, servers, run, log, marks, touched } = one
  const { calls } = run.load
  const lost = { excused: 0, unexcused: 0, neverRan: 0 }
  const excused = (shard: number) => scenario.mayLose !== undefined && touched.has(servers.groupOf(shard))
  const result = await run.audit({
    keys: servers.keys,
    ask: servers.ask,
    databases: scenario.topology === 'sentinel',
    forgetful: excused,
    incrementsLost: (shard, count) => {
      // Which of them, nobody knows; a server has run what it acknowledged, so it is the servers that are excused.
      if (excused(shard)) lost.excused += count
      else lost.unexcused += count
      return !excused(shard)
    },
    lost: (call) => {
      const ran = log.ran(call.id)
      if (!ran) lost.neverRan++
      if (ran && excused(call.shard)) lost.excused++
      else lost.unexcused++
      return !(ran && excused(call.shard))
    },
  })
  const failures = calls.filter(
    ({ verdict, settledAt }) => verdict !== 'ok' && verdict !== undefined && settledAt >= marks.injectedAt,
  )
  const onTouched = (call: Call) => touched.has(servers.groupOf(call.shard))
  const errors = {
    touched: failures.filter(onTouched).length,
    others: failures.filter((call) => !onTouched(call)).length,
  }
  const times = timesOf(marks, one.servedAt)
  const withGaps = { ...times, ...gaps(calls, marks.injectedAt, one.endedAt, onTouched) }
  const refreshes = log.refreshes
  const { ranTwice } = log
  const found = [...violations(result), ...one.complaints]
  if (errors.others > 0)
    found.push(
      `${errors.others} errors on groups that were not touched (${failures.find((call) => !onTouched(call))?.error})`,
    )
  if (scenario.noErrors === true && errors.touched > 0)
    found.push(`${errors.touched} errors where none is due (${failures[0]?.error})`)
  if (ranTwice > 0) found.push(`${ranTwice} writes ran twice`)
  const limit = scenario.servedWithinMs ?? SERVED_WITHIN_MS
  if (withGaps.servedMs === undefined) found.push(`not served again within ${RECOVERY_LIMIT_MS} ms`)
  else if (withGaps.servedMs > limit) found.push(`served ${withGaps.servedMs} ms after the servers instead of ${limit}`)
  if (scenario.longestWaitMs !== undefined && withGaps.longestWaitMs > scenario.longestWaitMs) {
    found.push(`a caller waited ${withGaps.longestWaitMs} ms instead of ${scenario.longestWaitMs}`)
  }
  if (scenario.mostRefreshes !== undefined && refreshes > scenario.mostRefreshes) {
    found.push(`the map was asked for ${refreshes} times instead of ${scenario.mostRefreshes}`)
  }
  return {
    fault: scenario.name,
    number: scenario.number,
    client: run.client.name,
    seed: one.seed,
    calls: calls.length,
    audit: result,
    unsettled: { hung: result.byVerdict.hung, unsaid: result.byVerdict.unsaid },
    times: withGaps,
    errors,
    lost,
    ranTwice,
    refreshes,
    violations: found,
    messages: distinct(failures),
  }
}

/** One of each kind: numbers and ids aside. */
function distinct(failures: readonly Call[]): string[] {
  const kinds = new Map<string, string>()
  for (const { kind, error = '' } of failures) {
    const sort = error.replace(/\d+/g, '#')
    if (!kinds.has(sort)) kinds.set(sort, `${kind}: ${error}`)
  }
  return [...kinds.values()]
}

/** A client that cannot even connect to servers in good health is not to be waited for. */
async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`The client was not ready within ${READY_LIMIT_MS} ms`)), READY_LIMIT_MS)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))
