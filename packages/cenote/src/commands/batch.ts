import { type BatchSink, type Command, WAITING } from '../connection/command.js'
import { CenoteError, ReplyError } from '../errors.js'

/** One entry of `exec()`: `[null, value]`, or `[error]` alone, as ioredis has it. */
export type BatchEntry = [error: Error | null, result?: unknown]

/** Collects the results of a pipeline by position and settles its one promise when the last has come. */
export class PipelineBatch implements BatchSink {
  readonly promise: Promise<BatchEntry[]>
  private readonly results: BatchEntry[]
  private missing: number
  private resolve!: (results: BatchEntry[]) => void

  constructor(size: number) {
    this.results = new Array(size)
    this.missing = size
    this.promise = new Promise((resolve) => {
      this.resolve = resolve
    })
    if (size === 0) this.resolve([])
  }

  settle(index: number, error: Error | undefined, value: unknown): void {
    this.results[index] = error === undefined ? [null, value] : [error]
    if (--this.missing === 0) this.resolve(this.results)
  }

  recall(): undefined {
    return undefined
  }
}

/**
 * MULTI, the commands, EXEC. Its promise has the results of EXEC, null when a WATCH aborted it, or is rejected when
 * the server discarded it or its outcome is not known.
 */
export class TransactionBatch implements BatchSink {
  readonly promise: Promise<BatchEntry[] | null>
  commands: Command[] = []
  /** What each command does to its own result inside EXEC's reply, by position. */
  decoders: (((value: unknown) => unknown) | undefined)[] = []
  private queueErrors: Error[] = []
  private resolve!: (results: BatchEntry[] | null) => void
  private reject!: (error: Error) => void

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }

  settle(index: number, error: Error | undefined, value: unknown): void {
    const isExec = index === this.commands.length - 1
    if (!isExec) {
      if (error !== undefined) this.queueErrors.push(error)
      return
    }
    if (error !== undefined) {
      if (error instanceof ReplyError) {
        Object.defineProperty(error, 'previousErrors', { value: this.queueErrors, configurable: true, writable: true })
      }
      this.reject(error)
    } else if (value === null) {
      this.resolve(null)
    } else {
      this.resolve((value as unknown[]).map((entry, i) => this.entry(entry, i)))
    }
  }

  private entry(value: unknown, i: number): BatchEntry {
    if (value instanceof CenoteError) return [value]
    const decode = this.decoders[i]
    return [null, decode === undefined ? value : decode(value)]
  }

  recall(): Command | undefined {
    const exec = this.commands[this.commands.length - 1]!
    if (exec.stage !== WAITING) return undefined
    this.queueErrors = []
    for (const [i, command] of this.commands.entries()) {
      command.stage = WAITING
      command.next = this.commands[i + 1]
    }
    return this.commands[0]
  }
}

/** Text instead of Buffers, at any depth; for results that shared a reply with a Buffer twin. */
export function toTextDeep(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString()
  return Array.isArray(value) ? value.map(toTextDeep) : value
}
