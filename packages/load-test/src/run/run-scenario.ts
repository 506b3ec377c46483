import { Engine } from '../engine/engine.js'
import type { EngineDump, EngineHandle, EngineSettings, EngineTick } from '../engine/types.js'
import { CpuMeter } from '../measure/self.js'
import { buildResult } from '../report/build.js'
import type { Result } from '../report/result.js'
import { assertResult } from '../report/schema.js'
import { type LoadOptions, type ResolvedOptions, resolveOptions } from './options.js'
import { type PoolFigures, PoolWatch } from './pool-watch.js'
import { preflight, TargetError } from './preflight.js'
import type { Progress, RunPhase } from './progress.js'
import { ThreadEngine } from './thread-engine.js'
import { Timeline } from './timeline.js'

/** Between the order to begin and the first request, so that all threads begin together. */
const LEAD_MS = 50

/**
 * Runs one scenario: users log in, loop, log out; resolves to the figures and the verdict.
 * A missed threshold is a result (`passed: false`), not an exception.
 *
 * @throws OptionsError for unusable options
 * @throws TargetError when the service does not answer or nobody can log in
 */
export async function runScenario(options: LoadOptions): Promise<Result> {
  const resolved = resolveOptions(options)
  await preflight(resolved.origin)
  const result = await new Run(resolved, options).run()
  assertResult(result)
  return result
}

class Run {
  private readonly startedAtMs = Date.now()
  private readonly timeline: Timeline
  private readonly pool: PoolWatch
  private readonly engines: readonly EngineHandle[]
  private phase: RunPhase = 'login'
  private readonly phaseMs: Record<RunPhase, number> = { login: 0, ramp: 0, steady: 0, logout: 0 }
  private loopStartMs = 0
  private cpu: { cpuMs: number; wallMs: number } | undefined
  private interrupted = false
  private readonly onProgress: ((progress: Progress) => void) | undefined
  private readonly signal: AbortSignal | undefined

  constructor(
    private readonly options: ResolvedOptions,
    { onProgress, signal }: Pick<LoadOptions, 'onProgress' | 'signal'>,
  ) {
    this.onProgress = onProgress
    this.signal = signal
    this.pool = new PoolWatch(options.origin, this.startedAtMs)
    this.timeline = new Timeline(
      options.threads,
      () => this.pool.last,
      (last) => this.report(last),
    )
    const onTick = (tick: EngineTick) => this.timeline.add(tick)
    this.engines = shares(options, this.startedAtMs).map((settings) =>
      options.threads === 1 ? new Engine(settings, onTick) : new ThreadEngine(settings, onTick),
    )
  }

  async run(): Promise<Result> {
    const stop = () => this.interrupt()
    if (this.signal?.aborted) stop()
    this.signal?.addEventListener('abort', stop, { once: true })
    let dumps: EngineDump[] = []
    let pool: PoolFigures
    let loggedIn = 0
    try {
      loggedIn = await this.login()
      if (loggedIn > 0 && !this.interrupted) await this.loop()
      if (loggedIn > 0 && !this.interrupted) await this.timed('logout', () => this.each((engine) => engine.logout()))
    } finally {
      this.signal?.removeEventListener('abort', stop)
      const finished = await Promise.allSettled(this.engines.map((engine) => engine.finish()))
      dumps = finished.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
      pool = await this.pool.stop()
    }
    if (loggedIn === 0 && !this.interrupted) throw this.nobodyIn(dumps)
    return buildResult({
      options: this.options,
      startedAtMs: this.startedAtMs,
      finishedAtMs: Date.now(),
      interrupted: this.interrupted,
      loggedIn,
      phaseMs: this.phaseMs,
      seconds: this.timeline.finish(),
      dumps,
      pool,
      cpu: this.cpu,
    })
  }

  private async login(): Promise<number> {
    const counts = await this.timed('login', () => Promise.all(this.engines.map((engine) => engine.login())))
    return counts.reduce((total, count) => total + count, 0)
  }

  private async loop(): Promise<void> {
    const { rampMs, durationMs } = this.options
    this.loopStartMs = this.elapsed() + LEAD_MS
    this.phase = 'ramp'
    let meter: CpuMeter | undefined
    const steady = setTimeout(() => {
      this.phase = 'steady'
      meter = new CpuMeter()
    }, LEAD_MS + rampMs)
    await this.each((engine) => engine.loop(this.loopStartMs))
    clearTimeout(steady)
    // Replies that came after the end of the phase belong to it, the waiting for them does not.
    const spent = this.interrupted ? Math.max(0, this.elapsed() - this.loopStartMs) : rampMs + durationMs
    this.phaseMs.ramp = Math.min(spent, rampMs)
    this.phaseMs.steady = Math.min(spent - this.phaseMs.ramp, durationMs)
    this.cpu = meter?.read()
  }

  private async timed<T>(phase: RunPhase, work: () => Promise<T>): Promise<T> {
    this.phase = phase
    const before = performance.now()
    try {
      return await work()
    } finally {
      this.phaseMs[phase] = Math.round(performance.now() - before)
    }
  }

  private async each(work: (engine: EngineHandle) => Promise<void>): Promise<void> {
    await Promise.all(this.engines.map(work))
  }

  private interrupt(): void {
    this.interrupted = true
    for (const engine of this.engines) engine.stop()
  }

  private elapsed(): number {
    return Date.now() - this.startedAtMs
  }

  private report(last: Progress['last']): void {
    const { rampMs, durationMs, users } = this.options
    const inLoop = this.phase === 'ramp' || this.phase === 'steady'
    this.onProgress?.({
      phase: this.phase,
      elapsedMs: this.elapsed(),
      remainingMs: inLoop ? Math.max(0, this.loopStartMs + rampMs + durationMs - this.elapsed()) : undefined,
      users,
      last,
      requests: this.timeline.requests,
      failed: this.timeline.failed,
    })
  }

  private nobodyIn(dumps: readonly EngineDump[]): TargetError {
    const sample = dumps[0]?.records.samples[0]
    const why = sample === undefined ? 'no reply' : [sample.cause, sample.detail].filter(Boolean).join(', ')
    const { emailPattern, users } = this.options
    return new TargetError(
      `no user could log in (${why}): are the accounts ${emailPattern} seeded for ${users} users, with this password?`,
    )
  }
}

/** Splits users, sockets and logins over the threads; the first threads take what does not divide. */
function shares(options: ResolvedOptions, startedAtMs: number): EngineSettings[] {
  const { name: _name, thresholds: _thresholds, threads, users, ...rest } = options
  const part = (total: number, thread: number) => Math.floor(total / threads) + (thread < total % threads ? 1 : 0)
  let firstUser = 0
  return Array.from({ length: threads }, (_, thread) => {
    const own = part(users, thread)
    const settings: EngineSettings = {
      ...rest,
      threads,
      thread,
      firstUser,
      users: own,
      sockets: part(options.sockets, thread),
      loginRate: options.loginRate / threads,
      loginConcurrency: Math.max(1, part(options.loginConcurrency, thread)),
      startedAtMs,
    }
    firstUser += own
    return settings
  })
}
