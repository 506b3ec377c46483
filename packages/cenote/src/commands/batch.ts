import { type BatchSink, BINARY, type Command, TRANSACTION, WAITING } from '../connection/command.js'
import { CenoteError, ReplyError } from '../errors.js'
import { type Callback, protectedly } from './args.js'
import type { SourceCarrier } from './script.js'

/** One entry of `exec()`: `[null, value]`, or `[error]` alone, as ioredis has it. */
export type BatchEntry = [error: Error | null, result?: unknown]

/** Collects the results of a pipeline by position and settles its one promise when the last has come. */
export class PipelineBatch implements BatchSink {
  readonly promise: Promise<BatchEntry[]>
  private readonly results: BatchEntry[]
  private missing: number
  private resolve!: (results: BatchEntry[]) => void

  /** @param callbacks of single commands, by position */
  constructor(private readonly callbacks: readonly (Callback | undefined)[]) {
    this.results = new Array(callbacks.length)
    this.missing = callbacks.length
    this.promise = new Promise((resolve) => {
      this.resolve = resolve
    })
    if (this.missing === 0) this.resolve([])
  }

  settle(index: number, error: Error | undefined, value: unknown): void {
    this.results[index] = error === undefined ? [null, value] : [error]
    const callback = this.callbacks[index]
    if (callback !== undefined) protectedly(() => (error === undefined ? callback(null, value) : callback(error)))
    if (--this.missing === 0) this.resolve(this.results)
  }

  recall(): undefined {
    return undefined
  }
}

/** Puts MULTI, the commands and EXEC under one sink, so that they are sent again, or given up, as a whole. */
abstract class Transaction implements BatchSink, SourceCarrier {
  readonly carriers = new Map<string, Command>()
  /** What each command does to its own result inside EXEC's reply, by position. */
  private readonly decoders: (((value: unknown) => unknown) | undefined)[]

  constructor(protected readonly commands: readonly Command[]) {
    const inner = commands.slice(1, -1)
    const exec = commands[commands.length - 1]!
    const binary = inner.some((command) => (command.flags & BINARY) !== 0)
    if (binary) exec.flags |= BINARY
    this.decoders = inner.map((command) => decoder(command, binary))
    for (const command of commands) {
      command.batch = this
      command.flags |= TRANSACTION
      command.transform = undefined
    }
  }

  abstract settle(index: number, error: Error | undefined, value: unknown): void

  /** The results inside EXEC's reply; errors among them stay as they are. */
  protected decode(value: unknown): unknown {
    if (!Array.isArray(value)) return value
    return value.map((entry, i) => {
      const decode = this.decoders[i]
      if (decode === undefined || entry instanceof CenoteError) return entry
      try {
        return decode(entry)
      } catch (error) {
        return error
      }
    })
  }

  recall(): Command | undefined {
    const { commands } = this
    if (commands[commands.length - 1]!.stage !== WAITING) return undefined
    for (const [i, command] of commands.entries()) {
      command.stage = WAITING
      command.next = commands[i + 1]
    }
    return commands[0]
  }
}

/**
 * `multi()…exec()`. Its promise has the results of EXEC, null when a WATCH aborted it, or is rejected when the server
 * discarded it or its outcome is not known.
 */
export class TransactionBatch extends Transaction {
  readonly promise: Promise<BatchEntry[] | null>
  private queueErrors: Error[] = []
  private resolve!: (results: BatchEntry[] | null) => void
  private reject!: (error: Error) => void

  /** @param callbacks of single commands; they hear that the command was queued */
  constructor(
    commands: readonly Command[],
    private readonly callbacks: readonly (Callback | undefined)[],
  ) {
    super(commands)
    for (const [i, command] of commands.entries()) command.index = i
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }

  settle(index: number, error: Error | undefined, value: unknown): void {
    if (index === this.commands.length - 1) {
      this.finish(error, value)
      return
    }
    if (error !== undefined) this.queueErrors.push(error)
    const callback = this.callbacks[index - 1]
    if (callback !== undefined) protectedly(() => (error === undefined ? callback(null, value) : callback(error)))
  }

  private finish(error: Error | undefined, value: unknown): void {
    if (error !== undefined) {
      if (error instanceof ReplyError) {
        Object.defineProperty(error, 'previousErrors', { value: this.queueErrors, configurable: true, writable: true })
      }
      this.reject(error)
    } else this.resolve(value === null ? null : toEntries(this.decode(value)))
  }

  override recall(): Command | undefined {
    this.queueErrors = []
    return super.recall()
  }
}

/** MULTI … EXEC in the middle of a pipeline: its replies are entries of the pipeline like any other. */
export class TransactionSegment extends Transaction {
  constructor(
    commands: readonly Command[],
    private readonly pipeline: PipelineBatch,
  ) {
    super(commands)
  }

  settle(index: number, error: Error | undefined, value: unknown): void {
    const isExec = index === this.commands[this.commands.length - 1]!.index
    this.pipeline.settle(index, error, isExec ? this.decode(value) : value)
  }
}

/** `[error]` or `[null, value]` for each result of EXEC. */
export function toEntries(results: unknown): BatchEntry[] {
  return (results as unknown[]).map((value) => (value instanceof Error ? [value] : [null, value]))
}

/** Inside EXEC's reply each result is decoded as its command would have been. */
function decoder(command: Command, binary: boolean): ((value: unknown) => unknown) | undefined {
  const { transform } = command
  if (!binary || (command.flags & BINARY) !== 0) return transform
  return transform === undefined ? toTextDeep : (value) => transform(toTextDeep(value))
}

/** Text instead of Buffers, at any depth; for results that shared a reply with a Buffer twin. */
function toTextDeep(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString()
  return Array.isArray(value) ? value.map(toTextDeep) : value
}
