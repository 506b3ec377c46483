import { BLOCKING, Command, promiseOf, type Transform } from '../connection/command.js'
import { blockTimeoutMs, type CommandSpec, isBlockingCall } from '../metadata/lookup.js'
import type { LeasedConnection } from '../pool/leased-connection.js'
import type { CommandArg } from '../wire/encode.js'
import { type ArgumentInput, normalizeArgs, takeCallback } from './args.js'
import { Commander, DISPATCH } from './commander.js'
import { type BatchTarget, Pipeline } from './pipeline.js'

/** What a lease needs to know of its pool. */
export interface LeaseContext {
  readonly commandTimeoutMs: number
  readonly blockingGraceMs: number
  prefixKeys(spec: CommandSpec, args: CommandArg[]): void
}

/**
 * Exclusive use of one connection: WATCH, MULTI, SELECT, blocking commands. Give it back with `await lease.release()`
 * or `await using`; afterwards every command on it is refused. State that was changed is reset on return.
 */
export class Lease extends Commander implements BatchTarget, AsyncDisposable {
  readonly #leased: LeasedConnection
  readonly #context: LeaseContext

  constructor(leased: LeasedConnection, context: LeaseContext) {
    super()
    this.#leased = leased
    this.#context = context
  }

  [DISPATCH](
    spec: CommandSpec,
    args: ArgumentInput[],
    flags: number,
    transform: Transform | undefined,
  ): Promise<unknown> {
    const callback = takeCallback(args)
    const command = new Command(spec, normalizeArgs(args), flags)
    command.transform = transform
    const promise = promiseOf(command)
    this.prefixKeys(spec, command.args as CommandArg[])
    this.#limit(command)
    this.#leased.send(command)
    if (callback !== undefined) {
      promise.then(
        (value) => callback(null, value),
        (error: Error) => callback(error),
      )
    }
    return promise
  }

  #limit(command: Command): void {
    const { spec, args } = command
    if (!isBlockingCall(spec, args)) {
      command.timeoutMs = this.#context.commandTimeoutMs
      return
    }
    const block = blockTimeoutMs(spec, args) ?? 0
    command.flags |= BLOCKING
    command.timeoutMs = block === Number.POSITIVE_INFINITY ? 0 : block + this.#context.blockingGraceMs
  }

  prefixKeys(spec: CommandSpec, args: CommandArg[]): void {
    this.#context.prefixKeys(spec, args)
  }

  pipeline(): Pipeline {
    return new Pipeline(this, false)
  }

  /** Commands to be sent as one MULTI … EXEC by `exec()`. */
  multi(): Pipeline {
    return new Pipeline(this, true)
  }

  submitBatch(commands: Command[]): void {
    for (const command of commands) {
      this.#limit(command)
      this.#leased.send(command)
    }
  }

  /** True once the lease was given back. */
  get released(): boolean {
    return this.#leased.released
  }

  /** Gives the connection back. Never throws; calling it twice does nothing. */
  release(): Promise<void> {
    return this.#leased.release()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release()
  }
}
