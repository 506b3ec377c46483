import { type Command, WAITING, whenSettled } from '../connection/command.js'
import { newPing, sendInternalCommand } from '../connection/internal.js'
import { AbortedError, type CenoteError, ReplyError } from '../errors.js'
import type { CommandSpec } from '../metadata/lookup.js'
import type { LeasedConnection } from '../node/leased-connection.js'
import { clearTimeout, setTimeout } from '../timers.js'
import type { CommandArg } from '../wire/encode.js'
import type { BatchTarget } from './pipeline.js'

/** What a session needs of its pool. */
export interface WatchHome {
  readonly watchTimeoutMs: number
  /** A connection for exclusive use, once everything issued before has been answered. */
  leaseInOrder(label: string, key: CommandArg | undefined): Promise<LeasedConnection>
  /** On a cluster: another server has the keys by now; a new lease will be of that one. */
  isElsewhere(error: ReplyError): boolean
  limit(command: Command): void
  fail(command: Command, error: CenoteError): void
  prefixKeys(spec: CommandSpec, args: CommandArg[]): void
}

/**
 * `open`: commands of its caller go to its connection. `over`: EXEC, DISCARD or UNWATCH was answered. `broken`: the
 * connection was lost or the time was up, so an EXEC would run without the protection its caller counts on.
 */
export type WatchState = 'open' | 'over' | 'broken'

/** How often a session follows its keys before it has begun. */
const MAX_MOVES = 16

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

  /** The first command had its effect. */
  private established = false
  private moves = 0

  /** @param onClosed told once, when the session no longer holds a connection */
  constructor(
    private readonly home: WatchHome,
    private readonly first: Command,
    private readonly onClosed: (session: WatchSession) => void,
  ) {
    this.timer = setTimeout(() => this.expire(), home.watchTimeoutMs)
    this.timer.unref()
    this.lease()
  }

  private lease(): void {
    const { spec, args } = this.first
    this.home.leaseInOrder(spec.upperName, args[0]).then(
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
    leased.refused = (command, error) => this.onRefused(leased, command, error)
    for (const command of this.waiting.splice(0)) leased.send(command)
  }

  /**
   * The keys are with another server. Before anything is watched all of it begins anew there; later an EXEC did not run,
   * as if a watched key had changed, which its caller is prepared for.
   */
  private onRefused(leased: LeasedConnection, command: Command, error: ReplyError): boolean {
    if (this.state !== 'open' || !this.home.isElsewhere(reasonOf(command, error))) return false
    if (!this.established && this.moves < MAX_MOVES) {
      command.stage = WAITING
      this.waiting.push(command)
      if (this.leased !== leased) return true
      this.moves++
      this.leased = undefined
      leased.onLoss = undefined
      // What follows on it is refused as well, and comes here.
      whenAnswered(leased, () => {
        void leased.release()
        if (this.state === 'open') this.lease()
      })
      return true
    }
    if (command.spec.name === 'exec') command.succeed(null)
    else {
      this.break(error)
      this.home.fail(command, this.refusal())
    }
    return true
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
    const { fail, succeed } = first
    first.succeed = (value) => {
      this.established = true
      succeed.call(first, value)
    }
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

/** Of a transaction that was discarded: why its first command was not queued. */
function reasonOf(command: Command, error: ReplyError): ReplyError {
  const first = error.kind === 'EXECABORT' ? command.batch?.queueErrors?.[0] : undefined
  return first instanceof ReplyError ? first : error
}

/** Runs once the connection owes nothing of what was sent on it so far. */
function whenAnswered({ entry }: LeasedConnection, run: () => void): void {
  sendInternalCommand(entry.connection, newPing()).then(run, run)
}
