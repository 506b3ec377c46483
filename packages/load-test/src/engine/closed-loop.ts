import { OperationChooser } from '../operations.js'
import type { Sessions } from './sessions.js'
import type { EngineSettings } from './types.js'
import type { VirtualUser } from './user.js'

/** After a failure a user waits at least this long: people do not hammer an error page. */
const FAILURE_PAUSE_MS = 100

export interface Loop {
  /** Nothing new is started from now on. */
  stop(): void
}

/** Every user on their own: request, reply, thinking time (evenly spread over half to one and a half of the mean). */
export function startClosedLoop(
  sessions: Sessions,
  settings: EngineSettings,
  thinkTimeMs: number,
  startAt: number,
  endAt: number,
): Loop {
  const chooser = new OperationChooser(settings.weights)
  const timers = new Map<VirtualUser, NodeJS.Timeout>()
  let stopped = false

  const later = (user: VirtualUser, ms: number) => {
    if (!stopped) timers.set(user, setTimeout(step, ms, user))
  }

  const think = () => thinkTimeMs * (0.5 + Math.random())

  const step = (user: VirtualUser): void => {
    timers.delete(user)
    const now = performance.now()
    if (stopped || now >= endAt) return
    const operation = user.loggedIn ? sessions.due(user, chooser.choose(), now) : 'login'
    if (operation === 'login') {
      user.leave()
      void sessions.gate.enter(user, Number.POSITIVE_INFINITY).then(() => later(user, think()))
      return
    }
    sessions.perform(user, operation, now, (call) => {
      const pause = think()
      later(user, call.ok ? pause : Math.max(pause, FAILURE_PAUSE_MS))
    })
  }

  // Without a ramp the first requests still spread over one thinking time, else all users march in step.
  const spread = settings.rampMs > 0 ? settings.rampMs : thinkTimeMs
  const now = performance.now()
  // A timer may fire a millisecond early; no request may lie before the phase.
  for (const user of sessions.users) later(user, startAt - now + 1 + Math.random() * spread)

  return {
    stop() {
      stopped = true
      for (const timer of timers.values()) clearTimeout(timer)
      timers.clear()
    },
  }
}
