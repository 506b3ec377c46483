import { Call, type RequestSpec } from '../http/call.js'
import type { Transport } from '../http/transport.js'
import type { LoopOperation, Operation, Phase } from '../operations.js'
import { LoginGate } from './login-gate.js'
import type { EngineSettings } from './types.js'
import { accountOf, VirtualUser } from './user.js'

export interface SessionsOptions {
  readonly settings: EngineSettings
  readonly transport: Transport
  readonly phaseAt: (intendedAt: number) => Phase
  /** Hears of every settled call. */
  readonly onSettled: (call: Call) => void
}

const NOTHING: RequestSpec = { method: 'GET', path: '', headers: [] }

/** So many failed logins without a single success: the accounts or the address are wrong, more will not help. */
const HOPELESS_AFTER = 25

/** The users of one thread, and what each reply does to their session. */
export class Sessions {
  readonly users: readonly VirtualUser[]
  readonly gate: LoginGate
  /** Calls handed out and not settled. */
  outstanding = 0
  private loginsFailed = 0
  private everLoggedIn = false
  private idle: (() => void)[] = []

  constructor(private readonly options: SessionsOptions) {
    const { settings } = options
    this.users = Array.from(
      { length: settings.users },
      (_, i) => new VirtualUser(accountOf(settings.emailPattern, settings.password, settings.firstUser + i)),
    )
    this.gate = new LoginGate({
      ratePerSecond: settings.loginRate,
      concurrency: settings.loginConcurrency,
      login: (user) => this.login(user),
    })
  }

  get loggedIn(): number {
    let count = 0
    for (const user of this.users) if (user.loggedIn) count++
    return count
  }

  /** Sends one request of a user; `done` comes after the session took note of the reply. */
  perform(user: VirtualUser, operation: Operation, intendedAt: number, done?: (call: Call) => void): void {
    if (operation === 'refresh') user.refreshing = true
    const call = new Call(operation, this.options.phaseAt(intendedAt), user.spec(operation), intendedAt, (settled) => {
      this.outstanding--
      this.learn(user, settled)
      this.options.onSettled(settled)
      done?.(settled)
      if (this.outstanding === 0) this.becomeIdle()
    })
    this.outstanding++
    this.options.transport.send(call)
  }

  /** Counts a request that could not even be tried. */
  refuse(operation: Operation, intendedAt: number, cause: string): void {
    const { phaseAt, onSettled } = this.options
    new Call(operation, phaseAt(intendedAt), NOTHING, intendedAt, onSettled).fail(cause)
  }

  /** What the user does instead of `chosen` when the tokens ask for it. `login` means: through the gate. */
  due(user: VirtualUser, chosen: LoopOperation, now: number): LoopOperation | 'login' {
    if (now >= user.renewAt) {
      if (user.doubtful) return 'login'
      if (!user.refreshing) return 'refresh'
    }
    return chosen === 'refresh' && (user.doubtful || user.refreshing) ? 'me' : chosen
  }

  /** Resolves once no call is outstanding, or after `limitMs`. */
  drained(limitMs: number): Promise<void> {
    if (this.outstanding === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, limitMs)
      this.idle.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  private login(user: VirtualUser): Promise<boolean> {
    return new Promise((resolve) => {
      this.perform(user, 'login', performance.now(), () => {
        if (user.loggedIn) this.everLoggedIn = true
        else if (++this.loginsFailed >= HOPELESS_AFTER && !this.everLoggedIn) this.gate.stop()
        resolve(user.loggedIn)
      })
    })
  }

  private learn(user: VirtualUser, call: Call): void {
    const { operation } = call
    if (operation === 'refresh') user.refreshing = false
    if (operation === 'logout' || call.status === 401) {
      user.leave()
    } else if (operation === 'login' || operation === 'refresh') {
      if (call.ok) {
        if (!user.adopt(call.text())) user.leave()
      } else if (operation === 'refresh') {
        user.doubtful ||= !leftAlone(call)
      }
    }
  }

  private becomeIdle(): void {
    const waiting = this.idle
    this.idle = []
    for (const resolve of waiting) resolve()
  }
}

/** Whether a failed refresh surely did not use up its token: refused by the service, or it says what happened. */
function leftAlone(call: Call): boolean {
  if (call.status >= 400 && call.status < 500) return true
  return /"outcome":"(not-sent|rejected)"/.test(call.text())
}
