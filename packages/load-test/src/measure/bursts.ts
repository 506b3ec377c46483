/** Failures with less than a second of success-only time between them. Times are ms since the start of the run. */
export interface FailureBurst {
  readonly fromMs: number
  readonly toMs: number
  /** When the last request of the burst was started: after this, every started request succeeded. */
  readonly lastStartMs: number
  readonly failures: number
}

const GAP_MS = 1000
const KEPT = 1000

/** Adds one failure to the newest burst or opens another. Beyond 1,000 bursts the last one grows instead. */
export function addFailure(bursts: FailureBurst[], atMs: number, startMs: number): void {
  const last = bursts.at(-1)
  if (last !== undefined && (atMs - last.toMs < GAP_MS || bursts.length >= KEPT)) {
    bursts[bursts.length - 1] = join(last, { fromMs: atMs, toMs: atMs, lastStartMs: startMs, failures: 1 })
  } else {
    bursts.push({ fromMs: atMs, toMs: atMs, lastStartMs: startMs, failures: 1 })
  }
}

/** The bursts of several threads as one list. */
export function mergeBursts(lists: readonly (readonly FailureBurst[])[]): FailureBurst[] {
  const merged: FailureBurst[] = []
  for (const burst of lists.flat().sort((a, b) => a.fromMs - b.fromMs)) {
    const last = merged.at(-1)
    if (last !== undefined && burst.fromMs - last.toMs < GAP_MS) merged[merged.length - 1] = join(last, burst)
    else merged.push(burst)
  }
  return merged
}

function join(a: FailureBurst, b: FailureBurst): FailureBurst {
  return {
    fromMs: Math.min(a.fromMs, b.fromMs),
    toMs: Math.max(a.toMs, b.toMs),
    lastStartMs: Math.max(a.lastStartMs, b.lastStartMs),
    failures: a.failures + b.failures,
  }
}
