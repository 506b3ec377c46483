/**
 * The clock and the timers of this package, taken when it is loaded: fake timers that a test puts in place later, and
 * whatever else replaces the globals, must not stop a pool that talks to a real server.
 */
export const {
  setTimeout,
  clearTimeout,
  setImmediate,
  queueMicrotask,
}: Pick<typeof globalThis, 'setTimeout' | 'clearTimeout' | 'setImmediate' | 'queueMicrotask'> = globalThis

const { nextTick: tick } = process
export const nextTick: typeof process.nextTick = (callback: (...args: never[]) => void, ...args: never[]) =>
  tick.call(process, callback, ...args)

const { performance, Date: Calendar } = globalThis
const readMonotonic = performance.now
const readCalendar = Calendar.now

/** Monotonic time, ms. It may stand still while the machine sleeps. */
export const monotonic = (): number => readMonotonic.call(performance)

/** Wall-clock time, ms since the epoch. It goes on while the machine sleeps, and may jump. */
export const wallClock = (): number => readCalendar.call(Calendar)
