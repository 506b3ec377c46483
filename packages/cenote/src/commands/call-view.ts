import type { CallOptions } from '../config/call-options.js'
import { BINARY, Command, promiseOf, type Transform } from '../connection/command.js'
import type { CommandSpec } from '../metadata/lookup.js'
import type { CommandArg } from '../wire/encode.js'
import { type ArgumentInput, callBack, normalizeArgs, takeCallback } from './args.js'
import { type CustomCommands, callByName, DISPATCH, type Dispatcher, installCommands } from './commander.js'
import type { Commands } from './commands.generated.js'
import type { BatchTarget, CommandList, Pipeline } from './pipeline.js'
import { markScript, type Script } from './script.js'

export interface CallView
  extends Omit<Commands<'promise'>, 'multi' | 'exec' | 'execBuffer'>,
    CustomCommands<'promise'> {}

/** The client whose commands a view has. */
export interface ViewTarget {
  readonly rawReplies: boolean
  dispatchWith(command: Command, promise: Promise<unknown>, callback: boolean, options: CallOptions): Promise<unknown>
  submitBatchWith(commands: Command[], exclusive: boolean, options: CallOptions): void
  prefixKeys(spec: CommandSpec, args: CommandArg[]): void
  newPipeline(target: BatchTarget, transaction: boolean, commands?: CommandList): Pipeline
}

const TARGET: unique symbol = Symbol('cenote.target')
const TERMS: unique symbol = Symbol('cenote.terms')

/** The commands of a pool, on the terms of {@link CallOptions}. Made by `redis.with(…)`. */
export class CallView implements Dispatcher, BatchTarget {
  private readonly [TARGET]: ViewTarget
  private readonly [TERMS]: CallOptions

  constructor(target: ViewTarget, options: CallOptions) {
    this[TARGET] = target
    this[TERMS] = options
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
    const promise = this[TARGET].dispatchWith(command, promiseOf(command), callback !== undefined, this[TERMS])
    return callBack(promise, callback)
  }

  call(name: string, ...args: ArgumentInput[]): Promise<unknown> {
    return callByName(this, name, args, 0) as Promise<unknown>
  }

  callBuffer(name: string, ...args: ArgumentInput[]): Promise<unknown> {
    return callByName(this, name, args, BINARY) as Promise<unknown>
  }

  pipeline(commands?: CommandList): Pipeline {
    return this[TARGET].newPipeline(this, false, commands)
  }

  multi(commands?: CommandList): Pipeline {
    return this[TARGET].newPipeline(this, true, commands)
  }

  get rawReplies(): boolean {
    return this[TARGET].rawReplies
  }

  submitBatch(commands: Command[], exclusive: boolean): void {
    this[TARGET].submitBatchWith(commands, exclusive, this[TERMS])
  }

  prefixKeys(spec: CommandSpec, args: CommandArg[]): void {
    this[TARGET].prefixKeys(spec, args)
  }
}

installCommands(CallView.prototype)
