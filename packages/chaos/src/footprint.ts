interface Footprint {
  readonly listeners: number
  /** Undefined unless Node was started with --expose-gc. */
  readonly heapBytes: number | undefined
}

/** Code that was compiled for the first time stays; what is held for each command or caller would be far more. */
const HEAP_SLACK_BYTES = 12e6

export function footprint(): Footprint {
  const collect = (globalThis as { gc?: () => void }).gc
  collect?.()
  return {
    listeners: process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0),
    heapBytes: collect === undefined ? undefined : process.memoryUsage().heapUsed,
  }
}

/** What is left of a run, as complaints. */
export function grown(before: Footprint, after: Footprint): string[] {
  const found: string[] = []
  if (after.listeners > before.listeners)
    found.push(`${after.listeners - before.listeners} listeners left on the process`)
  const bytes = (after.heapBytes ?? 0) - (before.heapBytes ?? 0)
  if (bytes > HEAP_SLACK_BYTES) found.push(`${Math.round(bytes / 1e6)} MB more on the heap than before`)
  return found
}
