/** Failures that belong together. Times are ms since the start of the run. */
export interface FailureBurst {
  /** When the first failing request was started. */
  readonly firstStartMs: number
  /** When the last one was started: every request started after this succeeded, or belongs to another burst. */
  readonly lastStartMs: number
  /** When the first failure was known. */
  readonly fromMs: number
  /** When the last one was. */
  readonly toMs: number
  readonly failures: number
}

/** Requests parked through an outage fail long after the first ones did: what counts is when they were started. */
const GAP_MS = 1000
const KEPT = 1000

/** Adds one failure to the newest burst or opens another. Beyond 1,000 bursts the last one grows instead. */
export function addFailure(bursts: FailureBurst[], atMs: number, startMs: number): void {
  const one: FailureBurst = { firstStartMs: startMs, lastStartMs: startMs, fromMs: atMs, toMs: atMs, failures: 1 }
  const last = bursts.at(-1)
  if (last !== undefined && (startMs - last.toMs < GAP_MS || bursts.length >= KEPT)) {
    bursts[bursts.length - 1] = join(last, one)
  } else {
    bursts.push(one)
  }
}

/** The bursts of several threads as one list. */
export function mergeBursts(lists: readonly (readonly FailureBurst[])[]): FailureBurst[] {
  const merged: FailureBurst[] = []
  for (const burst of lists.flat().sort((a, b) => a.firstStartMs - b.firstStartMs)) {
    const last = merged.at(-1)
    if (last !== undefined && burst.firstStartMs - last.toMs < GAP_MS) merged[merged.length - 1] = join(last, burst)
    else merged.push(burst)
  }
  return merged
}

function join(a: FailureBurst, b: FailureBurst): FailureBurst {
  return {
    firstStartMs: Math.min(a.firstStartMs, b.firstStartMs),
    lastStartMs: Math.max(a.lastStartMs, b.lastStartMs),
    fromMs: Math.min(a.fromMs, b.fromMs),
    toMs: Math.max(a.toMs, b.toMs),
    failures: a.failures + b.failures,
  }
}
