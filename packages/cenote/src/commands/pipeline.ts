import { BINARY, Command, type Transform } from '../connection/command.js'
import { type CommandSpec, callFlags, FLAG, isBlockingCall, lookupCommand } from '../metadata/lookup.js'
import type { CommandArg } from '../wire/encode.js'
import { type ArgumentInput, type Callback, callBack, normalizeArgs, takeCallback } from './args.js'
import { type BatchEntry, PipelineBatch, TransactionBatch, TransactionSegment } from './batch.js'
import { type CustomCommands, callByName, DISPATCH, type Dispatcher, installCommands } from './commander.js'
import type { Commands } from './commands.generated.js'
import { markScript, type Script } from './script.js'

const TARGET: unique symbol = Symbol('cenote.target')
const IS_TRANSACTION: unique symbol = Symbol('cenote.transaction')
const COMMANDS: unique symbol = Symbol('cenote.commands')
const CALLBACKS: unique symbol = Symbol('cenote.callbacks')
const OPEN: unique symbol = Symbol('cenote.open')
const RESULT: unique symbol = Symbol('cenote.result')
const SENT: unique symbol = Symbol('cenote.sent')

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
  // Under symbols, because scripts may have any name; not private fields, because applications wrap chains in proxies.
  private readonly [TARGET]: BatchTarget
  private readonly [IS_TRANSACTION]: boolean
  private [COMMANDS]: Command[] = []
  private [CALLBACKS]: (Callback | undefined)[] = []
  /** MULTIs of this chain whose EXEC is still to come. */
  private [OPEN] = 0
  private [RESULT]: Promise<BatchEntry[] | null> | undefined
  private [SENT] = 0

  /** @throws TypeError when the list names something that is no command */
  constructor(target: BatchTarget, transaction: boolean, commands?: CommandList) {
    this[TARGET] = target
    this[IS_TRANSACTION] = transaction
    if (Array.isArray(commands)) this.addBatch(commands)
  }

  /** Commands gathered, or, right after `exec()`, sent. */
  get length(): number {
    return this[COMMANDS].length || this[SENT]
  }

  [DISPATCH](
    spec: CommandSpec,
    args: ArgumentInput[],
    flags: number,
    transform: Transform | undefined,
    script?: Script,
  ): this {
    const callback = takeCallback(args)
    const target = this[TARGET]
    const command = new Command(spec, normalizeArgs(args), flags)
    command.transform = target.rawReplies === true ? undefined : transform
    if (script !== undefined) markScript(command, script)
    target.prefixKeys(spec, command.args as CommandArg[])
    if (spec.name === 'multi') this[OPEN]++
    else if (spec.name === 'discard' && this[OPEN] > 0) this[OPEN]--
    this[COMMANDS].push(command)
    this[CALLBACKS].push(callback)
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
   * Sends everything gathered so far. A pipeline resolves to one entry per command, whether they failed or not; a
   * transaction to the results of EXEC, or null when a watched key had changed. Called again it gives the same results,
   * unless commands were added since: those are sent then, by themselves.
   *
   * In a pipeline with a `multi()` of its own, the first `exec()` ends that transaction and returns the chain.
   */
  exec(callback?: Callback<BatchEntry[] | null>): Promise<BatchEntry[] | null> {
    if (this[OPEN] > 0) {
      this[OPEN]--
      const args = typeof callback === 'function' ? [callback] : []
      return this[DISPATCH](lookupCommand('exec'), args, 0, undefined) as unknown as Promise<BatchEntry[] | null>
    }
    const commands = this[COMMANDS]
    if (this[RESULT] === undefined || commands.length > 0) {
      const callbacks = this[CALLBACKS]
      this[COMMANDS] = []
      this[CALLBACKS] = []
      this[SENT] = commands.length
      this[RESULT] = this[IS_TRANSACTION]
        ? sendTransaction(this[TARGET], commands, callbacks)
        : sendPipeline(this[TARGET], commands, callbacks)
    }
    return callBack(this[RESULT], callback)
  }

  /** ioredis' deprecated name of {@link exec}. */
  execBuffer(callback?: Callback<BatchEntry[] | null>): Promise<BatchEntry[] | null> {
    return this.exec(callback)
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `${this[IS_TRANSACTION] ? 'Transaction' : 'Pipeline'} of ${this.length} commands`
  }
}

type Callbacks = readonly (Callback | undefined)[]

function sendPipeline(target: BatchTarget, commands: Command[], callbacks: Callbacks): Promise<BatchEntry[]> {
  const batch = new PipelineBatch(callbacks)
  // By index: V8 from Node 22 on makes the iterator's results and pairs, 240 bytes a command.
  for (let i = 0; i < commands.length; i++) {
    const command = commands[i]!
    command.batch = batch
    command.index = i
  }
  if (commands.length > 0) target.submitBatch(commands, findTransactions(commands, batch))
  return batch.promise
}

function sendTransaction(target: BatchTarget, inner: Command[], callbacks: Callbacks): Promise<BatchEntry[] | null> {
  const run = () => {
    const commands = [new Command(lookupCommand('multi'), [], 0), ...inner, new Command(lookupCommand('exec'), [], 0)]
    const batch = new TransactionBatch(commands, callbacks)
    target.submitBatch(commands, inner.some(needsOwnConnection))
    return batch.promise
  }
  return target.traceBatch === undefined ? run() : target.traceBatch(run, inner.length)
}

installCommands(Pipeline.prototype)

/** Binds each MULTI … EXEC of a pipeline together; true when the pipeline must not run on a shared connection. */
function findTransactions(commands: Command[], batch: PipelineBatch): boolean {
  let begin = -1
  for (let i = 0; i < commands.length; i++) {
    const command = commands[i]!
    const { name } = command.spec
    if (name === 'multi' && begin < 0) begin = i
    else if (name === 'exec' && begin >= 0) {
      new TransactionSegment(commands.slice(begin, i + 1), begin, batch)
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
