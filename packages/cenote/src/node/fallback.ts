import type { FallbackClient } from '../config/options.js'
import type { LoopClock } from '../connection/clock.js'
import { BINARY, type Command, SETTLED, TRANSACTION } from '../connection/command.js'
import { type CenoteError, ConnectionError, isCenoteError } from '../errors.js'
import type { Counters } from '../observe/counters.js'
import type { Judge } from './verdict.js'

/** Why commands go to the fallback. */
export type FallbackReason = 'not-started' | 'breaker-open' | 'budget-exhausted'

/** Runs commands on the caller's own client while the pool cannot, and says when that begins and ends. */
export class Fallback {
  active: FallbackReason | undefined
  commands = 0
  private readonly running = new Set<Command>()

  /**
   * @param reason why the fallback is the better place right now; undefined when it is not
   */
  constructor(
    private readonly client: FallbackClient,
    private readonly counters: Counters,
    private readonly judge: Judge,
    private readonly clock: LoopClock,
    readonly reason: () => FallbackReason | undefined,
    private readonly onSwitch: (reason: FallbackReason | undefined) => void,
  ) {}

  /** Whole transactions as such, other commands one after the other. They keep the deadlines their callers gave them. */
  runAll(commands: readonly Command[], reason: FallbackReason): void {
    this.switchTo(reason)
    for (let i = 0; i < commands.length; i++) {
      const command = commands[i]!
      const members = (command.flags & TRANSACTION) === 0 ? undefined : command.batch?.members
      if (members === undefined) this.run(command)
      else {
        this.runTransaction(members)
        i += members.length - 1
      }
    }
  }

  private run(command: Command): void {
    this.begin([command])
    command.script?.prepare(command, new Set())
    const { client } = this
    const args = [...command.args]
    const { name } = command.spec
    const binary = (command.flags & BINARY) !== 0 && client.callBuffer !== undefined
    settleWith(
      () => (binary ? client.callBuffer!(name, ...args) : client.call(name, ...args)),
      (value) => this.end(command, () => command.succeed(value)),
      (error) => this.fail(command, error),
    )
  }

  /** Sent one by one its commands would mix with those of others on the client, so it takes a client with `multi`. */
  private runTransaction(members: readonly Command[]): void {
    const { client } = this
    if (typeof client.multi !== 'function') {
      const refusal = new ConnectionError(
        'The transaction was not sent: there is no connection, and the fallback client has no multi() to run it as a whole',
      )
      this.judge.failAll(members, refusal)
      return
    }
    const exec = members[members.length - 1]!
    const inner = members.slice(1, -1)
    this.begin(members)
    for (const command of members) command.script?.prepare(command, new Set())
    const binary = (exec.flags & BINARY) !== 0
    settleWith(
      () => client.multi!(inner.map(({ spec, args }) => [binary ? 'callBuffer' : 'call', spec.name, ...args])).exec(),
      (results) => {
        for (const command of members) if (command !== exec) this.end(command, () => command.succeed('QUEUED'))
        const values = results === null ? null : results.map(([error, value]) => error ?? value)
        this.end(exec, () => exec.succeed(values))
      },
      (error) => {
        for (const command of members) this.fail(command, error)
      },
    )
  }

  private begin(commands: readonly Command[]): void {
    this.commands += commands.length
    const now = this.clock.refresh()
    for (const command of commands) {
      command.start(now)
      command.attempts++
      this.running.add(command)
    }
    this.clock.wake()
  }

  /** Unless its deadline has passed, or its caller has given up. */
  private end(command: Command, settle: () => void): void {
    this.running.delete(command)
    if (command.stage === SETTLED) return
    this.counters.ok++
    settle()
  }

  private fail(command: Command, error: unknown): void {
    this.running.delete(command)
    if (command.stage === SETTLED) return
    this.counters.onFailure(isCenoteError(error) ? error.outcome : 'unknown')
    command.fail(error as Error)
  }

  /** Deadlines of what the client has not answered; returns whether anything is outstanding. */
  tick(now: number): boolean {
    for (const command of [...this.running]) {
      if (command.stage === SETTLED) this.running.delete(command)
      else if (command.deadline <= now) this.judge.expireElsewhere(command)
    }
    return this.running.size > 0
  }

  /** The pool is destroyed; what the client was given may have run. */
  abandon(error: CenoteError): void {
    for (const command of [...this.running]) this.judge.loseWritten(command, error)
    this.running.clear()
  }

  /** The pool serves again. */
  rest(): void {
    this.switchTo(undefined)
  }

  private switchTo(reason: FallbackReason | undefined): void {
    if (this.active === reason) return
    this.active = reason
    this.onSwitch(reason)
  }
}

/** Foreign code may throw instead of rejecting, and return what is no promise. */
function settleWith<T>(call: () => Promise<T>, done: (value: T) => void, failed: (error: unknown) => void): void {
  new Promise<T>((resolve) => resolve(call())).then(done, failed)
}
