import { NO_SESSION } from '../http/causes.js'
import { OperationChooser } from '../operations.js'
import type { Loop } from './closed-loop.js'
import type { Sessions } from './sessions.js'
import type { EngineSettings } from './types.js'
import type { VirtualUser } from './user.js'

/**
 * When arrival number `k` is due, in ms after the start: the rate grows linearly during the ramp, then stays.
 * A timetable, not a pace: an arrival that is late is late, and its latency says so.
 */
export function arrivalTime(k: number, rate: number, rampMs: number): number {
  const perMs = rate / 1000
  const inRamp = (perMs * rampMs) / 2
  return k < inRamp ? Math.sqrt((2 * k * rampMs) / perMs) : rampMs + (k - inRamp) / perMs
}

/** Candidates looked at before an arrival takes what it gets. */
const LOOK_AT = 64

/**
 * Requests start by the timetable. Users take turns and may have several requests under way, as a browser does.
 * Every arrival is sent or counted as failed, however late the event loop came to it.
 */
export function startOpenLoop(
  sessions: Sessions,
  settings: EngineSettings,
  rate: number,
  startAt: number,
  endAt: number,
): Loop {
  const chooser = new OperationChooser(settings.weights)
  const users = sessions.users
  let arrival = settings.thread
  let turn = 0
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  const nextUser = (accept: (user: VirtualUser) => boolean): VirtualUser | undefined => {
    for (let i = 0; i < Math.min(LOOK_AT, users.length); i++) {
      const user = users[turn++ % users.length]!
      if (accept(user)) return user
      if (!user.loggedIn && !returning.has(user)) comeBack(user)
    }
    return undefined
  }

  /** Users on their way through the gate, so that no arrival sends them there twice. */
  const returning = new Set<VirtualUser>()
  const comeBack = (user: VirtualUser) => {
    returning.add(user)
    void sessions.gate.enter(user, Number.POSITIVE_INFINITY).then(() => returning.delete(user))
  }

  const launch = (intendedAt: number): void => {
    const chosen = chooser.choose()
    const fresh = chosen === 'refresh' ? nextUser((u) => u.loggedIn && !u.refreshing && !u.doubtful) : undefined
    const user = fresh ?? nextUser((u) => u.loggedIn)
    if (user === undefined) {
      sessions.refuse(chosen, intendedAt, NO_SESSION)
      return
    }
    const operation = sessions.due(user, chosen, performance.now())
    if (operation === 'login' && !returning.has(user)) comeBack(user)
    sessions.perform(user, operation === 'login' ? 'me' : operation, intendedAt)
  }

  const pump = (): void => {
    if (stopped) return
    const now = performance.now()
    let due = startAt + arrivalTime(arrival, rate, settings.rampMs)
    while (due <= now && due < endAt) {
      launch(due)
      arrival += settings.threads
      due = startAt + arrivalTime(arrival, rate, settings.rampMs)
    }
    if (due >= endAt) return
    clearTimeout(timer)
    timer = setTimeout(pump, Math.max(1, due - performance.now()))
  }

  timer = setTimeout(pump, Math.max(0, startAt - performance.now()))
  return {
    stop() {
      // What was due before the end but not yet looked at belongs to the run.
      pump()
      stopped = true
      clearTimeout(timer)
    },
  }
}
