import type { ScriptedNode } from '@cenote/test-support'
import { verdictOf } from '../client.js'
import type { Call } from '../load/call.js'
import { LagMeter } from '../load/lag-meter.js'
import type { TopologyResult } from './measure.js'
import type { OpenTopologyClient } from './scenario.js'
import { gaps, timesOf } from './times.js'

export interface ScriptedCase {
  readonly nodes: readonly ScriptedNode[]
  lie(): Promise<void>
  tellTheTruth(): Promise<void>
}

/** A fault of servers that no real ones would commit on demand. */
export interface ScriptedScenario {
  readonly number: number
  readonly topology: 'cluster'
  readonly name: string
  readonly title: string
  readonly noErrors?: boolean
  readonly long?: boolean
  readonly notFor?: Readonly<Record<string, string>>
  script(): Promise<ScriptedCase>
}

const CALLERS = 12
const TIMEOUT_MS = 3_000
const LIE_MS = 1_000
const READY_LIMIT_MS = 10_000
const RECOVERY_LIMIT_MS = 10_000
const SERVED_WITHIN_MS = 500
/** Commands that nodes may be sent per caller while every answer leads nowhere: about one each 10 ms. */
const MOST_PER_CALLER = 100
/** Maps that may be asked for in that second. */
const MOST_REFRESHES = 25

/** A small load on scripted nodes: what is counted is whether callers settle, and whether nodes are stormed. */
export async function runScripted(
  scenario: ScriptedScenario,
  seed: number,
  open: OpenTopologyClient,
): Promise<TopologyResult> {
  const script = await scenario.script()
  const lag = new LagMeter()
  const calls: Call[] = []
  let running = true
  try {
    const client = await inTime(
      Promise.resolve(
        open({
          topology: 'cluster',
          seeds: script.nodes.map(({ host, port }) => ({ host, port })),
          name: '',
          timeoutMs: TIMEOUT_MS,
          readFrom: 'primary',
          sharded: false,
        }),
      ),
    )
    await inTime(client.call('SET', 'ready', '1'))
    const loops = Array.from({ length: CALLERS }, async (_, caller) => {
      for (let n = 1; running; n++) {
        await issue(calls, client.call.bind(client), lag, caller, n)
        await pause(8)
      }
    })
    await pause(200)
    const injectedAt = performance.now()
    await script.lie()
    const before = script.nodes.map(({ commands }) => commands.length)
    await pause(LIE_MS)
    const asked = script.nodes.map(({ commands }, i) => commands.slice(before[i]))
    await script.tellTheTruth()
    const healedAt = performance.now()
    const proof = () => calls.find(({ verdict, settledAt }) => verdict === 'ok' && settledAt >= healedAt)
    const limit = healedAt + RECOVERY_LIMIT_MS
    while (proof() === undefined && performance.now() < limit) await pause(5)
    await pause(300)
    const endedAt = performance.now()
    running = false
    await Promise.race([Promise.all(loops), pause(TIMEOUT_MS + 2_000)])
    await Promise.race([client.close().catch(() => undefined), pause(1_000)])
    const keyed = asked.flat().filter(([name]) => name === 'SET' || name === 'GET').length
    const refreshes = asked
      .flat()
      .filter(([name, what = '']) => name === 'CLUSTER' && /^(slots|shards|nodes)$/i.test(what)).length
    const times = {
      ...timesOf({ injectedAt, healedAt }, proof()?.settledAt),
      ...gaps(calls, injectedAt, endedAt, () => true),
    }
    const failures = calls.filter(
      ({ verdict, settledAt }) => verdict !== undefined && verdict !== 'ok' && settledAt >= injectedAt,
    )
    const hung = calls.filter(({ verdict }) => verdict === undefined).length
    const unsaid = calls.filter(({ verdict }) => verdict === 'unsaid').length
    const late = Math.max(
      0,
      ...calls.map((call) => (call.verdict === undefined ? 0 : call.settledAt - call.at - call.lag - TIMEOUT_MS - 100)),
    )
    const violations = [
      ...(hung > 0 ? [`${hung} requests never settled`] : []),
      ...(unsaid > 0 ? [`${unsaid} errors do not say what became of their command`] : []),
      ...(late > 0 ? [`a request settled ${Math.round(late)} ms after its limit`] : []),
      ...(scenario.noErrors === true && failures.length > 0
        ? [`${failures.length} errors where none is due (${failures[0]!.error})`]
        : []),
      ...(keyed > CALLERS * MOST_PER_CALLER
        ? [`nodes were sent ${keyed} commands by ${CALLERS} callers in a second that led nowhere`]
        : []),
      ...(refreshes > MOST_REFRESHES ? [`the map was asked for ${refreshes} times in a second`] : []),
      ...(times.servedMs === undefined || times.servedMs > SERVED_WITHIN_MS
        ? [`served ${times.servedMs ?? 'never'} ms after the nodes told the truth`]
        : []),
    ]
    return {
      fault: scenario.name,
      number: scenario.number,
      client: client.name,
      seed,
      calls: calls.length,
      times,
      errors: { touched: failures.length, others: 0 },
      unsettled: { hung, unsaid },
      lost: { excused: 0, unexcused: 0, neverRan: 0 },
      ranTwice: 0,
      refreshes,
      violations,
      messages: [...new Set(failures.map(({ error = '' }) => error.replace(/\d+/g, '#')))].slice(0, 10),
    }
  } finally {
    running = false
    lag.stop()
    for (const node of script.nodes) await node.stop().catch(() => undefined)
  }
}

async function issue(
  calls: Call[],
  send: (name: string, ...args: string[]) => Promise<unknown>,
  lag: LagMeter,
  caller: number,
  n: number,
): Promise<void> {
  const call: Call = {
    kind: n % 2 === 0 ? 'get' : 'push',
    id: `${caller}-${n}`,
    shard: 0,
    at: performance.now(),
    lagAt: lag.now,
    limitMs: TIMEOUT_MS,
    settledAt: 0,
    writtenAt: undefined,
    lag: 0,
    verdict: undefined,
    settlements: 0,
    foreign: false,
    error: undefined,
    told: undefined,
  }
  calls.push(call)
  const key = `key:${caller}`
  const work = call.kind === 'get' ? send('GET', key) : send('SET', key, call.id)
  await work.then(
    () => {
      call.verdict = 'ok'
    },
    (error: Error) => {
      call.verdict = verdictOf(error)
      call.error = `${error.name}: ${error.message}`
    },
  )
  call.settledAt = performance.now()
  call.lag = lag.now - call.lagAt
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`The client was not ready within ${READY_LIMIT_MS} ms`)), READY_LIMIT_MS)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))
