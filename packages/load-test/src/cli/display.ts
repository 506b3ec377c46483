import { columns, countedCauses, ms, seconds, whole } from '../report/format.js'
import type { Progress } from '../run/progress.js'

export interface Display {
  show(progress: Progress): void
  /** Leaves the last state on the screen. */
  end(): void
}

/** A block redrawn in place on a terminal; one line every few seconds elsewhere, as logs want it. */
export function createDisplay(scenario: string, stream: NodeJS.WriteStream): Display {
  return stream.isTTY ? new LiveDisplay(scenario, stream) : new LineDisplay(scenario, stream)
}

const HISTORY = 60
const BARS = '▁▂▃▄▅▆▇█'

class LiveDisplay implements Display {
  private drawn = 0
  private readonly rates: number[] = []

  constructor(
    private readonly scenario: string,
    private readonly stream: NodeJS.WriteStream,
  ) {}

  show(progress: Progress): void {
    const { last } = progress
    this.rates.push(last.ok)
    if (this.rates.length > HISTORY) this.rates.shift()
    const width = this.stream.columns ?? 80
    const lines = [
      this.headline(progress),
      '',
      body(progress),
      `  ${sparkline(this.rates.slice(-Math.max(1, width - 4)))}`,
    ]
      .join('\n')
      .split('\n')
      .map((line) => line.slice(0, width - 1))
    // Up over the block drawn before, then clear to the end of the screen.
    const back = this.drawn > 0 ? `\x1b[${this.drawn}A\x1b[0J` : ''
    this.stream.write(`${back}${lines.join('\n')}\n`)
    this.drawn = lines.length
  }

  end(): void {
    this.drawn = 0
    this.stream.write('\n')
  }

  private headline({ phase, elapsedMs, remainingMs }: Progress): string {
    const left = remainingMs === undefined ? '' : `, ${seconds(remainingMs)} left`
    return `cenote-load ${this.scenario}: ${phase}, ${seconds(elapsedMs)}${left}`
  }
}

function body({ users, last, requests, failed }: Progress): string {
  const { pool } = last
  const failures =
    failed === 0 ? '0' : `${whole(failed)}${last.failed > 0 ? ` (now: ${countedCauses(last.causes)})` : ''}`
  const state =
    pool === undefined
      ? 'no answer'
      : `${pool.status}, ${pool.connections}/${pool.maxConnections} connections, ${pool.leased} leased, ${pool.waiters} waiting`
  const rows = [
    ['  users', `${whole(last.usersIn)} of ${whole(users)}`],
    ['  requests', `${whole(requests)}, ${whole(last.ok)}/s`],
    ['  failed', failures],
    ['  latency', `p50 ${ms(last.p50Ms)}  p95 ${ms(last.p95Ms)}  p99 ${ms(last.p99Ms)}`],
    ['  pool', state],
    [
      '  load tester',
      `lag ${ms(last.loopLagMs)}, ${last.inFlight} in flight, ${last.waitingForSocket} waiting for a socket`,
    ],
  ]
  return rows.map(([name, value]) => `${name!.padEnd(14)}${value}`).join('\n')
}

function sparkline(values: readonly number[]): string {
  const most = Math.max(1, ...values)
  return values.map((value) => BARS[Math.min(BARS.length - 1, Math.floor((value / most) * BARS.length))]).join('')
}

const LINE_EVERY = 5

class LineDisplay implements Display {
  private phase = ''
  private count = 0

  constructor(
    private readonly scenario: string,
    private readonly stream: NodeJS.WritableStream,
  ) {}

  show(progress: Progress): void {
    const { phase, elapsedMs, last, failed } = progress
    const news = phase !== this.phase || last.failed > 0
    if (phase !== this.phase) this.count = 0
    this.phase = phase
    if (this.count++ % LINE_EVERY !== 0 && !news) return
    const failures = last.failed > 0 ? `, failing: ${countedCauses(last.causes)}` : ''
    const cells = [
      `${this.scenario} ${seconds(elapsedMs)} ${phase}`,
      `${whole(last.usersIn)} users`,
      `${whole(last.ok)} ok/s`,
      `p95 ${ms(last.p95Ms)}`,
      `${whole(failed)} failed`,
      `pool ${last.pool?.status ?? 'no answer'}`,
    ]
    this.stream.write(`${columns([cells])}${failures}\n`)
  }

  end(): void {}
}
