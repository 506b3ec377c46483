import { type BatchSink, BINARY, type Command, TRANSACTION } from '../connection/command.js'
import { CenoteError, ProtocolError, ReplyError } from '../errors.js'
import type { Callback } from './args.js'
import { protectedly } from './foreign.js'
import type { SourceCarrier } from './script.js'

/** One entry of `exec()`: `[null, value]`, or `[error]` alone, as ioredis has it. */
export type BatchEntry = [error: Error | null, result?: unknown]

/** Collects the results of a pipeline by position and settles its one promise when the last has come. */
export class PipelineBatch implements BatchSink {
  readonly promise: Promise<BatchEntry[]>
  readonly members = undefined
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
    callOne(this.callbacks[index], error, value)
    if (--this.missing === 0) this.resolve(this.results)
  }
}

function callOne(callback: Callback | undefined, error: Error | undefined, value: unknown): void {
  if (callback !== undefined) protectedly(() => (error === undefined ? callback(null, value) : callback(error)))
}

/** What became of one command between MULTI and EXEC: queued, or refused. */
type Queued = { readonly error: Error | undefined; readonly value: unknown } | undefined

/**
 * Puts MULTI, the commands and EXEC under one sink, so that they are sent again, or given up, as a whole. Nobody hears of
 * the parts before EXEC is settled: until then all of it may have to begin anew.
 */
abstract class Transaction implements BatchSink, SourceCarrier {
  readonly carriers = new Map<string, Command>()
  readonly members: readonly Command[]
  private queued: Queued[]
  protected readonly firstIndex: number
  /** What each command does to its own result inside EXEC's reply, by position. */
  private readonly decoders: (((value: unknown) => unknown) | undefined)[]

  /** @param firstIndex position of MULTI; those of the others follow */
  constructor(commands: readonly Command[], firstIndex: number) {
    this.members = commands
    this.firstIndex = firstIndex
    this.queued = new Array(commands.length - 1)
    const inner = commands.slice(1, -1)
    const exec = commands[commands.length - 1]!
    const binary = inner.some((command) => (command.flags & BINARY) !== 0)
    if (binary) exec.flags |= BINARY
    this.decoders = inner.map((command) => decoder(command, binary))
    for (const [i, command] of commands.entries()) {
      command.batch = this
      command.index = firstIndex + i
      command.flags |= TRANSACTION
      command.transform = undefined
    }
  }

  get queueErrors(): readonly Error[] {
    return this.queued.flatMap((one) => one?.error ?? [])
  }

  restart(): void {
    this.queued = new Array(this.members.length - 1)
  }

  settle(index: number, error: Error | undefined, value: unknown): void {
    const place = index - this.firstIndex
    if (place < this.members.length - 1) {
      this.queued[place] = { error, value }
      return
    }
    this.finish(this.queued, error, error === undefined ? this.decode(value) : undefined)
  }

  /** @param value the results inside EXEC's reply, decoded; null when a WATCH aborted it */
  protected abstract finish(queued: readonly Queued[], error: Error | undefined, value: unknown): void

  /** Errors among the results stay as they are. */
  private decode(value: unknown): unknown {
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
}

/**
 * `multi()…exec()`. Its promise has the results of EXEC, null when a WATCH aborted it, or is rejected when the server
 * discarded it or its outcome is not known.
 */
export class TransactionBatch extends Transaction {
  readonly promise: Promise<BatchEntry[] | null>
  private resolve!: (results: BatchEntry[] | null) => void
  private reject!: (error: Error) => void

  /** @param callbacks of single commands; they hear that the command was queued */
  constructor(
    commands: readonly Command[],
    private readonly callbacks: readonly (Callback | undefined)[],
  ) {
    super(commands, 0)
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }

  protected finish(queued: readonly Queued[], error: Error | undefined, value: unknown): void {
    for (const [i, callback] of this.callbacks.entries()) {
      const said = queued[i + 1]
      callOne(callback, said === undefined ? error : said.error, said?.value)
    }
    if (error === undefined) {
      if (value === null) this.resolve(null)
      else if (Array.isArray(value)) this.resolve(toEntries(value))
      else this.reject(new ProtocolError('The server answered EXEC with something else than results'))
    } else {
      if (error instanceof ReplyError) {
        const previousErrors = queued.flatMap((one) => one?.error ?? [])
        Object.defineProperty(error, 'previousErrors', { value: previousErrors, configurable: true, writable: true })
      }
      this.reject(error)
    }
  }
}

/** MULTI … EXEC in the middle of a pipeline: its replies are entries of the pipeline like any other. */
export class TransactionSegment extends Transaction {
  constructor(
    commands: readonly Command[],
    firstIndex: number,
    private readonly pipeline: PipelineBatch,
  ) {
    super(commands, firstIndex)
  }

  protected finish(queued: readonly Queued[], error: Error | undefined, value: unknown): void {
    for (const [i, said] of queued.entries()) {
      // Nothing was said of it: it shares what became of the whole.
      this.pipeline.settle(this.firstIndex + i, said === undefined ? error : said.error, said?.value)
    }
    this.pipeline.settle(this.firstIndex + queued.length, error, value)
  }
}

/** `[error]` or `[null, value]` for each result of EXEC. */
export function toEntries(results: readonly unknown[]): BatchEntry[] {
  return results.map((value) => (value instanceof Error ? [value] : [null, value]))
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
