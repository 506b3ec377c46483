import type { Verdict } from '../client.js'
import type { Call, KindName } from './call.js'
import { type Flaw, type Flaws, noFlaws, type Truth } from './kind.js'
import { kinds } from './kinds/all.js'
import type { SubscriptionAudit } from './subscription.js'

/** What the callers were told beside what the server holds. */
export interface Audit {
  readonly byVerdict: Readonly<Record<Verdict | 'hung', number>>
  readonly flaws: Readonly<Flaws>
  readonly foreignReplies: number
  readonly settledTwice: number
  /** Settled later than the limit + 100 ms, this process's own pauses aside; ms beyond it, worst case. */
  readonly latestMs: number
  readonly subscription: SubscriptionAudit | undefined
}

export const GRACE_MS = 100

export async function audit(
  calls: readonly Call[],
  truth: Truth,
  subscription: SubscriptionAudit | undefined,
): Promise<Audit> {
  const byVerdict = { ok: 0, rejected: 0, 'not-sent': 0, unknown: 0, unsaid: 0, hung: 0 }
  let foreignReplies = subscription?.foreign ?? 0
  let settledTwice = 0
  let latestMs = 0
  const byKind = new Map<KindName, Call[]>()
  for (const call of calls) {
    byVerdict[call.verdict ?? 'hung']++
    if (call.foreign) foreignReplies++
    if (call.settlements > 1) settledTwice++
    if (call.verdict !== undefined) {
      latestMs = Math.max(latestMs, call.settledAt - call.at - call.lag - call.limitMs - GRACE_MS)
    }
    const list = byKind.get(call.kind)
    if (list === undefined) byKind.set(call.kind, [call])
    else list.push(call)
  }
  const flaws = noFlaws()
  for (const kind of kinds) {
    if (byKind.has(kind.name)) await kind.audit?.((name) => byKind.get(name) ?? [], truth, flaws)
  }
  return { byVerdict, flaws, foreignReplies, settledTwice, latestMs, subscription }
}

const SENTENCES: Readonly<Record<Flaw, string>> = {
  lost: 'acknowledged writes are not there',
  doubled: 'writes are there twice',
  falseNo: 'writes said not to have run are there',
  torn: 'transactions were applied in part',
  incrementsTwice: 'increments more than were asked for',
  incrementsLost: 'acknowledged increments are not there',
  unprotected: 'counters show a transaction that ran although its watched key had changed',
  wrongDatabase: 'writes went to another database',
  elementsLost: 'queue elements reached nobody and are gone',
  elementsTwice: 'queue elements were delivered twice',
}

/** What cenote promises, as sentences about what was broken; empty when all holds. */
export function violations(result: Audit): string[] {
  const found: string[] = []
  const check = (count: number, text: string) => {
    if (count > 0) found.push(`${count} ${text}`)
  }
  check(result.byVerdict.hung, 'requests never settled')
  check(result.byVerdict.unsaid, 'errors do not say what became of their command')
  if (result.latestMs > 0) {
    found.push(`a request settled ${Math.round(result.latestMs)} ms after its limit + ${GRACE_MS} ms`)
  }
  for (const [flaw, text] of Object.entries(SENTENCES)) check(result.flaws[flaw as Flaw], text)
  check(result.foreignReplies, 'replies reached another caller')
  check(result.settledTwice, 'requests settled twice')
  const { subscription } = result
  if (subscription !== undefined) {
    check(subscription.missed, 'messages were missed without a gap being announced')
    check(subscription.twice, 'messages came twice')
    check(subscription.outOfOrder, 'messages came out of order')
    if (subscription.silent.length > 0) found.push(`no messages any more from ${subscription.silent.join(', ')}`)
  }
  return found
}
