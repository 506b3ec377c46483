import { BINARY, BLOCKING, Command, TRANSACTION, type Transform } from '../connection/command.js'
import { type CommandSpec, callFlags, FLAG, isBlockingCall, lookupCommand } from '../metadata/lookup.js'
import { type ArgumentInput, type Callback, normalizeArgs, takeCallback } from './args.js'
import { type BatchEntry, PipelineBatch, TransactionBatch, toTextDeep } from './batch.js'
import { Commander, DISPATCH } from './commander.js'

/** Takes a finished batch. `exclusive` asks for a connection of its own, because the batch blocks or changes state. */
export interface BatchTarget {
  submitBatch(commands: Command[], exclusive: boolean): void
  prefixKeys(spec: CommandSpec, args: ReturnType<typeof normalizeArgs>): void
}

/**
 * Commands gathered to be sent together. Nothing is sent before `exec()`, and then without a foreign command in
 * between. `multi()` pipelines are wrapped in MULTI … EXEC.
 */
export class Pipeline extends Commander {
  readonly #target: BatchTarget
  readonly #commands: Command[] = []
  readonly #callbacks: (Callback | undefined)[] = []
  readonly #transaction: boolean
  #result: Promise<BatchEntry[] | null> | undefined

  constructor(target: BatchTarget, transaction: boolean) {
    super()
    this.#target = target
    this.#transaction = transaction
  }

  get length(): number {
    return this.#commands.length
  }

  [DISPATCH](spec: CommandSpec, args: ArgumentInput[], flags: number, transform: Transform | undefined): this {
    const callback = takeCallback(args)
    const command = new Command(spec, normalizeArgs(args), flags)
    command.transform = transform
    this.#target.prefixKeys(spec, command.args as string[])
    this.#commands.push(command)
    this.#callbacks.push(callback)
    return this
  }

  /**
   * Sends everything. A pipeline resolves to one entry per command, whether they failed or not; a transaction to the
   * results of EXEC, or null when a watched key had changed. Calling it again gives the same results.
   */
  exec(callback?: Callback<BatchEntry[] | null>): Promise<BatchEntry[] | null> {
    this.#result ??= this.#transaction ? this.#execTransaction() : this.#execPipeline()
    if (typeof callback === 'function') {
      this.#result.then(
        (results) => callback(null, results),
        (error: Error) => callback(error),
      )
    }
    return this.#result
  }

  #execPipeline(): Promise<BatchEntry[]> {
    const commands = this.#commands
    const batch = new PipelineBatch(commands.length)
    let exclusive = false
    for (const [i, command] of commands.entries()) {
      command.batch = batch
      command.index = i
      exclusive ||= needsOwnConnection(command)
    }
    if (commands.length > 0) this.#target.submitBatch(commands, exclusive)
    return batch.promise.then((results) => this.#callBack(results))
  }

  #execTransaction(): Promise<BatchEntry[] | null> {
    const commands = this.#commands
    if (commands.length === 0) return Promise.resolve([])
    const batch = new TransactionBatch()
    const binary = commands.some((command) => (command.flags & BINARY) !== 0)
    const exec = new Command(lookupCommand('exec'), [], binary ? BINARY : 0)
    batch.decoders = commands.map((command) => decoder(command, binary))
    batch.commands = [new Command(lookupCommand('multi'), [], 0), ...commands, exec]
    for (const [i, command] of batch.commands.entries()) {
      command.batch = batch
      command.index = i
      command.flags |= TRANSACTION
      command.transform = undefined
    }
    this.#target.submitBatch(batch.commands, false)
    return batch.promise.then((results) => {
      if (results !== null) this.#callBack(results)
      return results
    })
  }

  #callBack(results: BatchEntry[]): BatchEntry[] {
    for (const [i, callback] of this.#callbacks.entries()) {
      const entry = results[i]
      if (callback !== undefined && entry !== undefined) callback(entry[0], entry[1])
    }
    return results
  }
}

/** Inside EXEC's reply each result is decoded as its command would have been. */
function decoder(command: Command, binary: boolean): Transform | undefined {
  const { transform } = command
  if (!binary || (command.flags & BINARY) !== 0) return transform
  return transform === undefined ? toTextDeep : (value) => transform(toTextDeep(value))
}

function needsOwnConnection(command: Command): boolean {
  const { spec, args } = command
  if (isBlockingCall(spec, args)) {
    command.flags |= BLOCKING
    return true
  }
  return (callFlags(spec, args) & (FLAG.CONNECTION_STATE | FLAG.SUBSCRIBE)) !== 0
}
