import { setImmediate } from '../timers.js'

/**
 * Runs a function of the application's: a callback, a listener. What it throws becomes an uncaught exception, as it would
 * without us, but outside of our stack: no timer, dial, lease or deadline of ours depends on it.
 */
export function protectedly(run: () => unknown): void {
  try {
    run()
  } catch (error) {
    setImmediate(() => {
      throw error
    })
  }
}
