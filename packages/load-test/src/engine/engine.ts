import type { Call } from '../http/call.js'
import { Transport } from '../http/transport.js'
import { Recorder } from '../measure/recorder.js'
import { type LoopFigures, LoopMeter } from '../measure/self.js'
import { TurnMeter } from '../measure/turns.js'
import type { Phase } from '../operations.js'
import { type Loop, startClosedLoop } from './closed-loop.js'
import { startOpenLoop } from './open-loop.js'
import { Sessions } from './sessions.js'
import type { EngineDump, EngineHandle, EngineSettings, EngineTick } from './types.js'

const TICK_MS = 1000
const LOGIN_ATTEMPTS = 5
const STOP_GRACE_MS = 2000

/** One thread's share of a run: its users, its sockets, its figures. */
export class Engine implements EngineHandle {
  private readonly zero: number
  private readonly transport: Transport
  private readonly sessions: Sessions
  private readonly recorder: Recorder
  private readonly turns: TurnMeter
  private readonly tickLoop = new LoopMeter()
  private ticker: NodeJS.Timeout | undefined
  private steadyLoop: LoopMeter | undefined
  private steadyFigures: LoopFigures | undefined
  private phase: Phase = 'login'
  private steadyFrom = Number.POSITIVE_INFINITY
  private running: Loop | undefined
  private abandoned = 0
  private stopping: (() => void) | undefined
  private readonly stopped: Promise<void>

  constructor(
    private readonly settings: EngineSettings,
    private readonly onTick: (tick: EngineTick) => void,
  ) {
    this.zero = settings.startedAtMs - performance.timeOrigin
    this.transport = new Transport(settings)
    this.recorder = new Recorder(this.zero)
    this.turns = new TurnMeter((call, clientLoopMs) => this.recorder.record(call, clientLoopMs))
    this.sessions = new Sessions({
      settings,
      transport: this.transport,
      phaseAt: (intendedAt) => (this.phase === 'ramp' && intendedAt >= this.steadyFrom ? 'steady' : this.phase),
      onSettled: (call: Call) => this.turns.add(call),
    })
    this.stopped = new Promise((resolve) => {
      this.stopping = resolve
    })
    this.scheduleTick()
  }

  async login(): Promise<number> {
    const { users, gate } = this.sessions
    await Promise.race([Promise.all(users.map((user) => gate.enter(user, LOGIN_ATTEMPTS))), this.stopped])
    return this.sessions.loggedIn
  }

  async loop(startMs: number): Promise<void> {
    if (this.stopping === undefined) return
    const { settings } = this
    const startAt = this.zero + startMs
    const endAt = startAt + settings.rampMs + settings.durationMs
    this.phase = 'ramp'
    this.steadyFrom = startAt + settings.rampMs
    const timers = [
      setTimeout(() => this.beginSteady(), this.steadyFrom - performance.now()),
      setTimeout(() => this.endSteady(), endAt - performance.now()),
    ]
    const over = new Promise<void>((resolve) => {
      timers.push(setTimeout(resolve, endAt - performance.now()))
    })
    const { model } = settings
    this.running =
      model.kind === 'closed'
        ? startClosedLoop(this.sessions, settings, model.thinkTimeMs, startAt, endAt)
        : startOpenLoop(this.sessions, settings, model.rate, startAt, endAt)
    await Promise.race([over, this.stopped])
    for (const timer of timers) clearTimeout(timer)
    this.running.stop()
    this.endSteady()
    if (this.stopping === undefined) return
    this.sessions.gate.stop()
    await Promise.race([this.sessions.drained(settings.timeoutMs + 1000), this.stopped])
  }

  async logout(): Promise<void> {
    if (this.stopping === undefined) return
    this.phase = 'logout'
    const now = performance.now()
    for (const user of this.sessions.users) if (user.loggedIn) this.sessions.perform(user, 'logout', now)
    await Promise.race([this.sessions.drained(this.settings.timeoutMs + 1000), this.stopped])
  }

  stop(): void {
    this.running?.stop()
    this.sessions.gate.stop()
    this.stopping?.()
    this.stopping = undefined
  }

  async finish(): Promise<EngineDump> {
    const interrupted = this.stopping === undefined
    this.stop()
    if (interrupted) await this.sessions.drained(STOP_GRACE_MS)
    this.turns.stop()
    this.abandoned = this.sessions.outstanding
    clearTimeout(this.ticker)
    this.tick()
    this.tickLoop.stop()
    const loop = this.steadyFigures ?? this.tickLoop.read()
    const records = this.recorder.dump()
    await this.transport.close()
    return { records, loop, abandoned: this.abandoned }
  }

  private beginSteady(): void {
    this.steadyLoop = new LoopMeter()
  }

  private endSteady(): void {
    this.steadyFigures ??= this.steadyLoop?.stop()
  }

  /** On the whole seconds of the run, so that the threads' intervals can be added up. */
  private scheduleTick(): void {
    const now = performance.now() - this.zero
    // Rounded, for a timer may fire a little early.
    const next = (Math.round(now / TICK_MS) + 1) * TICK_MS
    this.ticker = setTimeout(() => {
      this.tick()
      this.scheduleTick()
    }, next - now)
  }

  private tick(): void {
    this.onTick({
      interval: this.recorder.takeInterval(),
      usersIn: this.sessions.loggedIn,
      inFlight: this.transport.inFlight,
      waitingForSocket: this.transport.waiting,
      loopLagMs: this.tickLoop.takeMax(),
    })
  }
}
