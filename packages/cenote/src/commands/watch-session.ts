import { type Command, whenSettled } from '../connection/command.js'
import { AbortedError, type CenoteError } from '../errors.js'
import type { CommandSpec } from '../metadata/lookup.js'
import type { LeasedConnection } from '../node/leased-connection.js'
import { clearTimeout, setTimeout } from '../timers.js'
import type { CommandArg } from '../wire/encode.js'
import type { BatchTarget } from './pipeline.js'

/** What a session needs of its pool. */
export interface WatchHome {
  readonly watchTimeoutMs: number
  /** A connection for exclusive use, once everything issued before has been answered. */
  leaseInOrder(label: string): Promise<LeasedConnection>
  limit(command: Command): void
  fail(command: Command, error: CenoteError): void
  prefixKeys(spec: CommandSpec, args: CommandArg[]): void
}

/**
 * `open`: commands of its caller go to its connection. `over`: EXEC, DISCARD or UNWATCH was answered. `broken`: the
 * connection was lost or the time was up, so an EXEC would run without the protection its caller counts on.
 */
export type WatchState = 'open' | 'over' | 'broken'

/** One caller's WATCH or MULTI on the pool: a leased connection from the first command to EXEC, DISCARD or UNWATCH. */
export class WatchSession implements BatchTarget {
  state: WatchState = 'open'
  /** The first command was answered, so its caller may go on. */
  answered = false
  /** Somebody awaits the first command: until it is answered its caller cannot issue another. */
  observed = false
  /** Its caller was recognised after the answer. */
  claimed = false
  readonly keys: CommandArg[] = []
  private leased: LeasedConnection | undefined
  private readonly waiting: Command[] = []
  private outstanding = 0
  private begun = false
  private ending = false
  private why: CenoteError | undefined
  private readonly timer: NodeJS.Timeout

  /** @param onClosed told once, when the session no longer holds a connection */
  constructor(
    private readonly home: WatchHome,
    label: string,
    private readonly onClosed: (session: WatchSession) => void,
  ) {
    this.timer = setTimeout(() => this.expire(), home.watchTimeoutMs)
    this.timer.unref()
    home.leaseInOrder(label).then(
      (leased) => this.start(leased),
      (error: CenoteError) => this.break(error),
    )
  }

  private start(leased: LeasedConnection): void {
    if (this.state !== 'open') {
      void leased.release()
      return
    }
    this.leased = leased
    leased.onLoss = (error) => this.break(error)
    for (const command of this.waiting.splice(0)) leased.send(command)
  }

  /** Takes a command of its caller; commands that would end a broken session are refused instead of run unprotected. */
  send(command: Command): void {
    if (this.state !== 'open') {
      this.home.fail(command, this.refusal())
      return
    }
    this.home.limit(command)
    this.outstanding++
    const { name } = command.spec
    if (this.outstanding === 1 && !this.begun) this.endIfRefused(command)
    whenSettled(command, () => {
      this.outstanding--
      if (name === 'exec' || name === 'discard' || name === 'unwatch') this.ending = true
      if (this.ending && this.outstanding === 0) this.close('over')
    })
    if (this.leased === undefined) this.waiting.push(command)
    else this.leased.send(command)
  }

  /** Nothing is watched, and no MULTI is open, when the first command was refused: there is nothing to hold on to. */
  private endIfRefused(first: Command): void {
    this.begun = true
    const { fail } = first
    first.fail = (error) => {
      this.ending = true
      fail.call(first, error)
    }
  }

  submitBatch(commands: readonly Command[]): void {
    for (const command of commands) this.send(command)
  }

  prefixKeys(spec: CommandSpec, args: CommandArg[]): void {
    this.home.prefixKeys(spec, args)
  }

  /** Why an EXEC of this caller cannot run any more. */
  refusal(): CenoteError {
    const reason = this.why === undefined ? '' : `: ${this.why.message}`
    return new AbortedError(
      'not-sent',
      `The WATCH this transaction relies on is gone${reason}. Watch, read and try again`,
    )
  }

  private expire(): void {
    const limit = this.home.watchTimeoutMs
    this.break(new AbortedError('not-sent', `no EXEC, DISCARD or UNWATCH came within ${limit} ms (watchTimeoutMs)`))
  }

  /** The pool is gone; its callers hear of it by their commands. */
  end(): void {
    this.close('over')
  }

  private break(error: CenoteError): void {
    if (this.state !== 'open') return
    this.why = error
    this.close('broken')
  }

  private close(state: 'over' | 'broken'): void {
    if (this.state !== 'open') return
    this.state = state
    clearTimeout(this.timer)
    for (const command of this.waiting.splice(0)) this.home.fail(command, this.why ?? this.refusal())
    void this.leased?.release()
    this.onClosed(this)
  }
}
