import type { LoopClock } from '../../connection/clock.js'
import type { Connection } from '../../connection/connection.js'
import { sendInternal } from '../../connection/internal.js'
import { type CenoteError, ConnectionError, isCenoteError, ReplyError } from '../../errors.js'
import { within } from '../../node/time-limit.js'
import { clearTimeout, monotonic, setTimeout } from '../../timers.js'
import { type Claim, mergeViews, readView, type View } from './view.js'

/** A server that can be asked. */
export interface Source {
  readonly key: string
  readonly host: string
  readonly connection: Connection
}

/** Whom a survey asks, and who hears the answer. */
export interface SurveyHost {
  /** Connections that there are, to servers that speak. */
  sources(): readonly Source[]
  /** @param since active time at which the question was put: what became known later holds */
  onAnswer(claims: readonly (Claim | undefined)[], since: number): void
  /** Nobody answered. @param reasons by server, in words */
  onNoAnswer(reasons: ReadonlyMap<string, CenoteError>): void
}

/** Servers asked at a time: enough to outvote one that is out of date. */
const ASKED_AT_ONCE = 5
/** Once one has answered, the others get so long, ms. */
const COMPANY_MS = 100
/** Pauses between surveys that are asked for again and again, ms: a server is lost, or slots were seen to move. */
const PAUSES = { lost: { first: 50, most: 500 }, moved: { first: 200, most: 5_000 } }
/** After such a quiet, ms, pauses begin anew. */
const QUIET_MS = 5_000

export type SurveyCause = keyof typeof PAUSES

/**
 * Keeps asking who has which slot: one question at a time, over connections that exist, several servers at once. How
 * often depends on the cause; nothing that happens to many commands makes it ask as often.
 */
export class Survey {
  private timer: NodeJS.Timeout | undefined
  private dueAt = Number.POSITIVE_INFINITY
  private looking = false
  private wanted: SurveyCause | undefined
  private endedAt = Number.NEGATIVE_INFINITY
  private readonly pause = { lost: 0, moved: 0 }
  private routine: NodeJS.Timeout | undefined
  private closed = false
  /** Surveys so far. */
  count = 0

  constructor(
    private readonly host: SurveyHost,
    private readonly clock: LoopClock,
    private readonly timeoutMs: number,
    private readonly intervalMs: number,
  ) {}

  /** Soon; how soon depends on the cause and on how often it was asked for lately. */
  request(cause: SurveyCause): void {
    if (this.closed) return
    if (this.looking) {
      if (this.wanted !== 'lost') this.wanted = cause
      return
    }
    const now = monotonic()
    if (now - this.endedAt > QUIET_MS) this.pause.lost = this.pause.moved = 0
    const at = Math.max(now, this.endedAt + this.pause[cause])
    if (at >= this.dueAt) return
    clearTimeout(this.timer)
    this.dueAt = at
    this.timer = setTimeout(() => {
      this.timer = undefined
      this.dueAt = Number.POSITIVE_INFINITY
      const { first, most } = PAUSES[cause]
      this.pause[cause] = Math.min(most, Math.max(first, this.pause[cause] * 2))
      void this.look()
    }, at - now)
  }

  /** Something changed: what else is about to change is worth a look soon. */
  relax(): void {
    this.pause.lost = 0
  }

  private async look(): Promise<void> {
    this.looking = true
    this.count++
    clearTimeout(this.routine)
    const since = this.clock.refresh()
    const reasons = new Map<string, CenoteError>()
    const views = await this.askSome(reasons)
    this.looking = false
    this.endedAt = monotonic()
    if (this.closed) return
    if (views.length > 0) this.host.onAnswer(mergeViews(views), since)
    else this.host.onNoAnswer(reasons)
    this.schedule()
    const { wanted } = this
    this.wanted = undefined
    if (wanted !== undefined) this.request(wanted)
  }

  private askSome(reasons: Map<string, CenoteError>): Promise<readonly View[]> {
    const sources = sample(this.host.sources(), ASKED_AT_ONCE)
    return new Promise((resolve) => {
      const views: View[] = []
      let missing = sources.length
      const done = (): void => {
        if (--missing === 0) finish()
      }
      let company: NodeJS.Timeout | undefined
      const finish = (): void => {
        clearTimeout(company)
        resolve(views)
      }
      for (const source of sources) {
        this.ask(source).then(
          (view) => {
            views.push(view)
            company ??= setTimeout(finish, COMPANY_MS)
            done()
          },
          (error: unknown) => {
            reasons.set(source.key, isCenoteError(error) ? error : new ConnectionError(String(error), { cause: error }))
            done()
          },
        )
      }
      if (missing === 0) finish()
    })
  }

  private ask({ connection, host }: Source): Promise<View> {
    const slots = sendInternal(connection, 'cluster', 'SLOTS')
    const nodes = sendInternal(connection, 'cluster', 'NODES').then(String, (error: unknown) => {
      // A user without the right to it leaves epochs unknown.
      if (error instanceof ReplyError) return undefined
      throw error
    })
    const asked = Promise.all([slots, nodes]).then(([slots, nodes]) => readView(slots, nodes, host))
    return within(this.clock, this.timeoutMs, 'CLUSTER SLOTS', asked)
  }

  /** Without a cause, now and then; spread, so that many processes do not ask together. */
  private schedule(): void {
    clearTimeout(this.routine)
    if (this.intervalMs === 0 || this.closed) return
    this.routine = setTimeout(() => void (this.looking || this.look()), this.intervalMs * (0.8 + Math.random() * 0.4))
    this.routine.unref()
  }

  close(): void {
    this.closed = true
    clearTimeout(this.timer)
    clearTimeout(this.routine)
  }
}

function sample<T>(items: readonly T[], most: number): T[] {
  const chosen = [...items]
  for (let i = chosen.length - 1; i > 0; i--) {
    const at = Math.floor(Math.random() * (i + 1))
    ;[chosen[i], chosen[at]] = [chosen[at]!, chosen[i]!]
  }
  return chosen.slice(0, most)
}
