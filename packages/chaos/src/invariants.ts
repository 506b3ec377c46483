import type { RawReply } from '@cenote/test-support'
import type { Verdict } from './client.js'
import { type Call, SHARDS } from './workload.js'

/** Asks the server over a connection of its own, past whatever is broken. */
export type Ask = (...args: string[]) => Promise<RawReply>

export interface Truth {
  /** How often each pushed id is there. */
  readonly pushed: ReadonlyMap<string, number>
  readonly counters: readonly number[]
}

export async function readTruth(ask: Ask): Promise<Truth> {
  const pushed = new Map<string, number>()
  const counters: number[] = []
  for (let shard = 0; shard < SHARDS; shard++) {
    for (const id of (await ask('LRANGE', `log:${shard}`, '0', '-1')) as string[]) {
      pushed.set(id, (pushed.get(id) ?? 0) + 1)
    }
    counters.push(Number((await ask('GET', `n:${shard}`)) ?? 0))
  }
  return { pushed, counters }
}

/** What the callers were told beside what the server holds. */
export interface Audit {
  readonly byVerdict: Readonly<Record<Verdict | 'hung', number>>
  /** Acknowledged and not there. */
  readonly lost: number
  /** There more often than it was sent by its caller. */
  readonly doubled: number
  /** Said not to have run, and there. */
  readonly falseNo: number
  readonly foreignReplies: number
  readonly settledTwice: number
  /** Settled later than deadline + 100 ms, this process's own pauses aside; ms beyond it, worst case. */
  readonly latestMs: number
  readonly counterErrors: number
}

export const GRACE_MS = 100

/**
 * @param durableSince commands acknowledged before this time may be gone, because the server kept nothing
 */
export function audit(calls: readonly Call[], truth: Truth, timeoutMs: number, durableSince: number): Audit {
  const byVerdict = { ok: 0, rejected: 0, 'not-sent': 0, unknown: 0, unsaid: 0, hung: 0 }
  let lost = 0
  let doubled = 0
  let falseNo = 0
  let foreignReplies = 0
  let settledTwice = 0
  let latestMs = 0
  const least = new Array<number>(SHARDS).fill(0)
  const most = new Array<number>(SHARDS).fill(0)
  for (const call of calls) {
    byVerdict[call.verdict ?? 'hung']++
    if (call.foreign) foreignReplies++
    if (call.settlements > 1) settledTwice++
    if (call.verdict !== undefined) {
      latestMs = Math.max(latestMs, call.settledAt - call.at - call.lag - timeoutMs - GRACE_MS)
    }
    const durable = call.settledAt > durableSince
    const certainlyNot = call.verdict === 'rejected' || call.verdict === 'not-sent'
    if (call.kind === 'push') {
      const there = truth.pushed.get(call.id) ?? 0
      if (there > 1) doubled++
      if (call.verdict === 'ok' && there === 0 && durable) lost++
      if (certainlyNot && there > 0) falseNo++
    } else if (call.kind === 'count') {
      if (call.verdict === 'ok' && durable) least[call.shard]!++
      if (!certainlyNot) most[call.shard]!++
    }
  }
  const counterErrors = truth.counters.filter((n, shard) => n < least[shard]! || n > most[shard]!).length
  return {
    byVerdict,
    lost,
    doubled,
    falseNo,
    foreignReplies,
    settledTwice,
    latestMs: Math.max(0, latestMs),
    counterErrors,
  }
}

/** What cenote promises, as sentences about what was broken; empty when all holds. */
export function violations(result: Audit): string[] {
  const found: string[] = []
  const check = (broken: boolean, text: string) => {
    if (broken) found.push(text)
  }
  check(result.byVerdict.hung > 0, `${result.byVerdict.hung} commands never settled`)
  check(result.byVerdict.unsaid > 0, `${result.byVerdict.unsaid} errors do not say what became of their command`)
  check(result.latestMs > 0, `a command settled ${Math.round(result.latestMs)} ms after deadline + ${GRACE_MS} ms`)
  check(result.lost > 0, `${result.lost} acknowledged writes are not there`)
  check(result.doubled > 0, `${result.doubled} writes are there twice`)
  check(result.falseNo > 0, `${result.falseNo} writes said not to have run are there`)
  check(result.foreignReplies > 0, `${result.foreignReplies} replies reached another caller`)
  check(result.settledTwice > 0, `${result.settledTwice} commands settled twice`)
  check(result.counterErrors > 0, `${result.counterErrors} counters differ from what was acknowledged`)
  return found
}
