import type { Call } from '../load/call.js'

/** In ms. */
export interface Times {
  /** From the fault until the servers served again, as a client that knows nothing of topologies saw it. */
  readonly recoveredMs: number
  /** From then until the client had been served on every touched group; undefined if it never was. */
  readonly servedMs: number | undefined
  /** Longest time without any success, on touched groups and on the others; undefined where there are none. */
  readonly gapTouchedMs: number | undefined
  readonly gapOthersMs: number | undefined
  /** Longest time that a caller waited for a reply that came. */
  readonly longestWaitMs: number
}

export function timesOf(
  marks: { readonly injectedAt: number; readonly healedAt: number },
  servedAt: number | undefined,
): Pick<Times, 'recoveredMs' | 'servedMs'> {
  return {
    recoveredMs: Math.round(marks.healedAt - marks.injectedAt),
    servedMs: servedAt === undefined ? undefined : Math.max(0, Math.round(servedAt - marks.healedAt)),
  }
}

export function gaps(
  calls: readonly Call[],
  from: number,
  to: number,
  isTouched: (call: Call) => boolean,
): Pick<Times, 'gapTouchedMs' | 'gapOthersMs' | 'longestWaitMs'> {
  const longest = (chosen: (call: Call) => boolean): number | undefined => {
    if (!calls.some(chosen)) return undefined
    const settled = calls
      .filter((call) => call.verdict === 'ok' && call.settledAt >= from && call.settledAt <= to && chosen(call))
      .map((call) => call.settledAt)
      .sort((a, b) => a - b)
    if (settled.length === 0) return Math.round(to - from)
    let most = 0
    let last = from
    for (const time of [...settled, to]) {
      most = Math.max(most, time - last)
      last = time
    }
    return Math.round(most)
  }
  // Those who block wait on purpose, and those who take several steps wait for each of them.
  const single = calls.filter(({ kind }) => !/^pop|^watch|^lease/.test(kind))
  const waits = single
    .filter(({ verdict, settledAt }) => verdict === 'ok' && settledAt >= from)
    .map(({ at, settledAt }) => settledAt - at)
  return {
    gapTouchedMs: longest(isTouched),
    gapOthersMs: longest((call) => !isTouched(call)),
    longestWaitMs: Math.round(waits.reduce((most, wait) => Math.max(most, wait), 0)),
  }
}
