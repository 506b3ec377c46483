import { BINARY, Command, promiseOf, type Transform } from '../connection/command.js'
import type { CommandSpec } from '../metadata/lookup.js'
import type { CommandArg } from '../wire/encode.js'
import { type ArgumentInput, callBack, normalizeArgs, takeCallback } from './args.js'
import { type CustomCommands, callByName, DISPATCH, type Dispatcher, installCommands } from './commander.js'
import type { Commands } from './commands.generated.js'
import type { BatchTarget, CommandList, Pipeline } from './pipeline.js'
import type { RedisPool } from './redis-pool.js'
import { markScript, type Script } from './script.js'

/** Terms of single calls, for `redis.with(…)`. */
export interface CallOptions {
  /** Deadline of each command, ms, instead of `commandTimeoutMs`. 0: none. Blocking ones keep their block time. */
  readonly timeoutMs?: number
  /**
   * Gives up: a waiting command is withdrawn (outcome `not-sent`), of a written one only the reply is dropped (outcome
   * `unknown`), a blocking one is called back from the server. An element that the server had handed out by then is
   * delivered, and the call succeeds although it was aborted: otherwise it would be lost.
   */
  readonly signal?: AbortSignal
  /** The command may run twice: it is sent again when its outcome is unknown. Default false. */
  readonly idempotent?: boolean
  /** The order against other commands does not matter. Default false. */
  readonly unordered?: boolean
}

export interface CallView
  extends Omit<Commands<'promise'>, 'multi' | 'exec' | 'execBuffer'>,
    CustomCommands<'promise'> {}

/** The commands of a pool, on the terms of {@link CallOptions}. Made by `redis.with(…)`. */
export class CallView implements Dispatcher, BatchTarget {
  readonly #pool: RedisPool
  readonly #options: CallOptions

  constructor(pool: RedisPool, options: CallOptions) {
    this.#pool = pool
    this.#options = options
  }

  [DISPATCH](
    spec: CommandSpec,
    args: ArgumentInput[],
    flags: number,
    transform: Transform | undefined,
    script?: Script,
  ): Promise<unknown> {
    const callback = takeCallback(args)
    const command = new Command(spec, normalizeArgs(args), flags)
    command.transform = transform
    if (script !== undefined) markScript(command, script)
    const promise = this.#pool.dispatchWith(command, promiseOf(command), callback !== undefined, this.#options)
    return callBack(promise, callback)
  }

  call(name: string, ...args: ArgumentInput[]): Promise<unknown> {
    return callByName(this, name, args, 0) as Promise<unknown>
  }

  callBuffer(name: string, ...args: ArgumentInput[]): Promise<unknown> {
    return callByName(this, name, args, BINARY) as Promise<unknown>
  }

  pipeline(commands?: CommandList): Pipeline {
    return this.#pool.newPipeline(this, false, commands)
  }

  multi(commands?: CommandList): Pipeline {
    return this.#pool.newPipeline(this, true, commands)
  }

  get rawReplies(): boolean {
    return this.#pool.rawReplies
  }

  submitBatch(commands: Command[], exclusive: boolean): void {
    this.#pool.submitBatchWith(commands, exclusive, this.#options)
  }

  prefixKeys(spec: CommandSpec, args: CommandArg[]): void {
    this.#pool.prefixKeys(spec, args)
  }
}

installCommands(CallView.prototype)
