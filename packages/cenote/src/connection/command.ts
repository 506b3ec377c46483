import type { FailedCommand } from '../errors.js'
import { type CommandSpec, callFlags, FLAG } from '../metadata/lookup.js'
import type { CommandArg } from '../wire/encode.js'

/** Where a command is on its way. Once settled it may stay in a queue as a tombstone that keeps its reply slot. */
export const WAITING = 0
export const WRITTEN = 1
export const SETTLED = 2

/** Text parts of the reply become Buffers. */
export const BINARY = 1
/** May be sent again after an unknown outcome: read-only by the command table, or its caller said so. */
export const IDEMPOTENT = 2
/** Belongs to a MULTI…EXEC batch: what becomes of it is decided for all of them, see {@link BatchSink.members}. */
export const TRANSACTION = 4
/** Settled by push messages (SUBSCRIBE and kin), not by an ordinary reply. */
export const PUSH_REPLY = 8
/** Waits at the server: silence is not a symptom. */
export const BLOCKING = 16
/** Part of a handshake or a health check: goes out before the connection is ready. */
export const INTERNAL = 32
/** While it waits: every earlier send was refused before it ran, so it certainly did not run. */
export const REFUSED = 64

/** Goes to a server that is about to get its slot: ASKING is written before it. */
export const ASKING = 128

/** Commands whose arguments are secrets; they never appear on an error. */
const SECRET = new Set(['auth', 'hello', 'migrate', 'acl', 'config'])

/** Receives results by position; pipelines and transactions are made of commands without promises of their own. */
export interface BatchSink {
  settle(index: number, error: Error | undefined, value: unknown): void
  /** The commands from MULTI to EXEC, when they are one: given up, refused or sent again together or not at all. */
  readonly members: readonly Command[] | undefined
  /** Why the server discarded the transaction; what it said of the commands it was to queue. */
  readonly queueErrors?: readonly Error[]
  /** The members are to be sent again: forgets what was said of them. */
  restart?(): void
}

/** A Lua script that is sent in full or by hash, depending on what its connection has seen. */
export interface ScriptReference {
  readonly sha: string
  prepare(command: Command, loaded: Set<string>): void
  /** True when the server had forgotten the script and the command is now fit to be sent once more, in full. */
  recovers(command: Command, error: Error, loaded: Set<string>): boolean
}

export type Transform = (value: unknown) => unknown

/** The one node per command: queue link, deadline, arguments and the promise it settles. */
export class Command {
  next: Command | undefined = undefined
  stage = WAITING
  /** How often it was written to a socket. */
  attempts = 0
  /** Active time (see LoopClock) at which the pool accepted it. */
  startedAt = 0
  /** Active time after which it settles with a time-out; Infinity for none. */
  deadline = Number.POSITIVE_INFINITY
  /** Its own limit in ms, 0 for none. */
  timeoutMs = 0
  resolve: (value: unknown) => void = noop
  reject: (error: Error) => void = noop
  batch: BatchSink | undefined = undefined
  index = 0
  transform: Transform | undefined = undefined
  script: ScriptReference | undefined = undefined
  /** Runs once when it settles: removes abort listeners and the like. */
  onSettled: (() => void) | undefined = undefined

  constructor(
    public spec: CommandSpec,
    readonly args: readonly CommandArg[],
    public flags: number,
  ) {}

  /** Its time begins, unless it has begun: all that comes before the reply counts. */
  start(now: number): void {
    if (this.startedAt === 0) this.startedAt = now
    if (this.timeoutMs > 0 && this.deadline === Number.POSITIVE_INFINITY)
      this.deadline = this.startedAt + this.timeoutMs
  }

  succeed(value: unknown): void {
    this.stage = SETTLED
    if (this.transform !== undefined) {
      try {
        value = this.transform(value)
      } catch (error) {
        this.finish(error as Error, undefined)
        return
      }
    }
    if (this.batch === undefined) {
      this.resolve(value)
      if (this.onSettled !== undefined) this.onSettled()
    } else {
      this.finish(undefined, value)
    }
  }

  fail(error: Error): void {
    this.stage = SETTLED
    this.finish(error, undefined)
  }

  /** For the error it ended in. */
  describe(): FailedCommand {
    const { spec, args } = this
    const secret = SECRET.has(spec.name) || (callFlags(spec, args) & FLAG.NO_AUTH) !== 0
    return { name: spec.name, args: secret ? ['[hidden]'] : args.map(String) }
  }

  private finish(error: Error | undefined, value: unknown): void {
    if (this.batch !== undefined) this.batch.settle(this.index, error, value)
    else if (error !== undefined) this.reject(error)
    else this.resolve(value)
    if (this.onSettled !== undefined) this.onSettled()
  }
}

function noop(): void {}

let lastResolve: (value: unknown) => void = noop
let lastReject: (error: Error) => void = noop
const capture = (resolve: (value: unknown) => void, reject: (error: Error) => void): void => {
  lastResolve = resolve
  lastReject = reject
}

/** The promise of a command. One shared executor instead of a closure per call. */
export function promiseOf(command: Command): Promise<unknown> {
  const promise = new Promise<unknown>(capture)
  command.resolve = lastResolve
  command.reject = lastReject
  return promise
}

/** What goes with the command, come what may: the whole transaction it belongs to, else itself. */
export function wholeOf(command: Command): readonly Command[] {
  return ((command.flags & TRANSACTION) !== 0 && command.batch?.members) || [command]
}

/** Adds to what is to happen when the command settles; the newest runs first. */
export function whenSettled(command: Command, run: () => void): void {
  const { onSettled } = command
  command.onSettled =
    onSettled === undefined
      ? run
      : () => {
          run()
          onSettled()
        }
}

/** Rough size of a queued command in bytes, for bounds on parked work; not called while commands flow. */
export function approximateBytes(command: Command): number {
  let bytes = 64
  for (const arg of command.args) bytes += arg.length + 16
  return bytes
}
