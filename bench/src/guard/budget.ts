import type { Guarded } from './allocations.js'

/**
 * Bytes per command that cenote may allocate on the heap beyond what the floor allocates for the same work. The floor
 * pays for the promise, the caller's `await`, the request's text and the reply; the rest is what cenote's promises cost.
 * Each is the measured figure plus 30 bytes (it repeats within 20): one closure per command (70 to 150) is over it, one
 * timer (about 500) far over it. Below the floor is possible: HGETALL's reply is decoded with less garbage than the floor's.
 *
 * Lower a figure when the code got leaner; raise one only for something that is worth its bytes to every caller, and say
 * so in docs/performance.md.
 */
export const BUDGET: Readonly<Record<Guarded, number>> = {
  get: 215,
  set: 130,
  pipeline: 195,
  hgetall: -410,
}

/** Server reads per 100 GETs issued at once: one, and a little for a batch that TCP delivers in two pieces. */
export const READS_PER_BATCH = 1.2

/**
 * How node must be started for these measurements. Compilation on another thread ends at another moment each time, and
 * what runs uncompiled until then allocates more.
 */
export const GUARD_FLAGS: readonly string[] = [
  '--expose-gc',
  '--min-semi-space-size=256',
  '--max-semi-space-size=256',
  '--no-concurrent-recompilation',
]
