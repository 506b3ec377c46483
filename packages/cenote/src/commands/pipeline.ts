import { BINARY, Command, type Transform } from '../connection/command.js'
import { type CommandSpec, callFlags, FLAG, isBlockingCall, lookupCommand } from '../metadata/lookup.js'
import type { CommandArg } from '../wire/encode.js'
import { type ArgumentInput, type Callback, callBack, normalizeArgs, takeCallback } from './args.js'
import { type BatchEntry, PipelineBatch, TransactionBatch, TransactionSegment } from './batch.js'
import { type CustomCommands, callByName, DISPATCH, type Dispatcher, installCommands } from './commander.js'
import type { Commands } from './commands.generated.js'
import { markScript, type Script } from './script.js'

/** Takes a finished batch. `exclusive` asks for a connection of its own, because the batch blocks or changes state. */
export interface BatchTarget {
  submitBatch(commands: Command[], exclusive: boolean): void
  prefixKeys(spec: CommandSpec, args: CommandArg[]): void
  /** Replies keep the shapes of RESP3. */
  readonly rawReplies?: boolean
  /** Wraps the promise of a transaction for those who observe it. */
  traceBatch?(promise: () => Promise<BatchEntry[] | null>, size: number): Promise<BatchEntry[] | null>
}

/** The batch form of `pipeline()` and `multi()`: `[['set', 'k', 'v'], ['get', 'k']]`. */
export type CommandList = readonly (readonly [name: string, ...args: unknown[]])[]

/** Commands of the generated surface that mean something else on a chain. */
type ChainCommands = Omit<Commands<Pipeline>, 'exec' | 'execBuffer'>

export interface Pipeline extends ChainCommands, CustomCommands<Pipeline> {}

/**
 * Commands gathered to be sent together. Nothing is sent before `exec()`, and then without a foreign command in
 * between. `multi()` pipelines are wrapped in MULTI … EXEC.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the methods are installed on the prototype
export class Pipeline implements Dispatcher {
  readonly isPipeline = true
  readonly #target: BatchTarget
  readonly #commands: Command[] = []
  readonly #callbacks: (Callback | undefined)[] = []
  readonly #transaction: boolean
  /** MULTIs of this chain whose EXEC is still to come. */
  #open = 0
  #result: Promise<BatchEntry[] | null> | undefined

  /** @throws TypeError when the list names something that is no command */
  constructor(target: BatchTarget, transaction: boolean, commands?: CommandList) {
    this.#target = target
    this.#transaction = transaction
    if (Array.isArray(commands)) this.addBatch(commands)
  }

  get length(): number {
    return this.#commands.length
  }

  [DISPATCH](
    spec: CommandSpec,
    args: ArgumentInput[],
    flags: number,
    transform: Transform | undefined,
    script?: Script,
  ): this {
    const callback = takeCallback(args)
    const command = new Command(spec, normalizeArgs(args), flags)
    command.transform = this.#target.rawReplies === true ? undefined : transform
    if (script !== undefined) markScript(command, script)
    this.#target.prefixKeys(spec, command.args as CommandArg[])
    if (spec.name === 'multi') this.#open++
    else if (spec.name === 'discard' && this.#open > 0) this.#open--
    this.#commands.push(command)
    this.#callbacks.push(callback)
    return this
  }

  /** Appends commands given as arrays. */
  addBatch(commands: CommandList): this {
    for (const [name, ...args] of commands) {
      const method = (this as unknown as Record<string, unknown>)[name]
      if (typeof method !== 'function') throw new TypeError(`${String(name)} is not a command; use ['call', name, …]`)
      method.apply(this, args)
    }
    return this
  }

  call(name: string, ...args: ArgumentInput[]): this {
    return callByName(this, name, args, 0) as this
  }

  callBuffer(name: string, ...args: ArgumentInput[]): this {
    return callByName(this, name, args, BINARY) as this
  }

  send_command(name: string, ...args: ArgumentInput[]): this {
    return callByName(this, name, args, 0) as this
  }

  /**
   * Sends everything. A pipeline resolves to one entry per command, whether they failed or not; a transaction to the
   * results of EXEC, or null when a watched key had changed. Calling it again gives the same results.
   *
   * In a pipeline with a `multi()` of its own, the first `exec()` ends that transaction and returns the chain.
   */
  exec(callback?: Callback<BatchEntry[] | null>): Promise<BatchEntry[] | null> {
    if (this.#open > 0) {
      this.#open--
      const args = typeof callback === 'function' ? [callback] : []
      return this[DISPATCH](lookupCommand('exec'), args, 0, undefined) as unknown as Promise<BatchEntry[] | null>
    }
    this.#result ??= this.#transaction ? this.#execTransaction() : this.#execPipeline()
    return callBack(this.#result, callback)
  }

  /** ioredis' deprecated name of {@link exec}. */
  execBuffer(callback?: Callback<BatchEntry[] | null>): Promise<BatchEntry[] | null> {
    return this.exec(callback)
  }

  #execPipeline(): Promise<BatchEntry[]> {
    const commands = this.#commands
    const batch = new PipelineBatch(this.#callbacks)
    for (const [i, command] of commands.entries()) {
      command.batch = batch
      command.index = i
    }
    if (commands.length > 0) this.#target.submitBatch(commands, findTransactions(commands, batch))
    return batch.promise
  }

  #execTransaction(): Promise<BatchEntry[] | null> {
    const inner = this.#commands
    const run = () => {
      const commands = [new Command(lookupCommand('multi'), [], 0), ...inner, new Command(lookupCommand('exec'), [], 0)]
      const batch = new TransactionBatch(commands, this.#callbacks)
      this.#target.submitBatch(commands, inner.some(needsOwnConnection))
      return batch.promise
    }
    return this.#target.traceBatch === undefined ? run() : this.#target.traceBatch(run, inner.length)
  }
}

installCommands(Pipeline.prototype)

/** Binds each MULTI … EXEC of a pipeline together; true when the pipeline must not run on a shared connection. */
function findTransactions(commands: Command[], batch: PipelineBatch): boolean {
  let begin = -1
  for (const [i, command] of commands.entries()) {
    const { name } = command.spec
    if (name === 'multi' && begin < 0) begin = i
    else if (name === 'exec' && begin >= 0) {
      new TransactionSegment(commands.slice(begin, i + 1), batch)
      begin = -1
    } else if (
      begin < 0 ? !isRouted(command) && (needsOwnConnection(command) || blocks(command)) : needsOwnConnection(command)
    ) {
      return true
    }
  }
  return begin >= 0
}

const blocks = (command: Command): boolean => isBlockingCall(command.spec, command.args)

/** Outside of a transaction these go where their methods go. */
const isRouted = (command: Command): boolean =>
  command.spec.name === 'select' || (command.spec.flags & FLAG.SUBSCRIBE) !== 0

function needsOwnConnection(command: Command): boolean {
  const { spec, args } = command
  return (callFlags(spec, args) & (FLAG.CONNECTION_STATE | FLAG.SUBSCRIBE)) !== 0
}
