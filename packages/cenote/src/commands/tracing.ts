import { type Channel, type TracingChannel, tracingChannel } from 'node:diagnostics_channel'
import type { Command } from '../connection/command.js'
import { callFlags, FLAG, isReadOnlyCall, keyPositions } from '../metadata/lookup.js'

/** Where commands go, for those who observe. */
export interface TracedServer {
  readonly database: number
  readonly serverAddress: string
  readonly serverPort: number | undefined
}

/** Payload of `tracing:ioredis:command:*`. */
export interface CommandContext extends TracedServer {
  readonly command: string
  /** Keys as they are, values as `?`. */
  readonly args: string[]
}

/** Payload of `tracing:ioredis:batch:*`. */
export interface BatchContext extends TracedServer {
  readonly batchMode: 'MULTI'
  readonly batchSize: number
}

/** Payload of `tracing:ioredis:connect:*`. */
export interface ConnectContext {
  readonly serverAddress: string
  readonly serverPort: number | undefined
  readonly connectionEpoch: number
}

/** A channel, and a check of it that costs a property read while nobody listens. */
class Observed<C extends object> {
  private readonly channel: TracingChannel<C, C>
  private readonly start: Channel
  private readonly asyncEnd: Channel
  private readonly error: Channel

  /** @param name what instrumentations for ioredis listen to */
  constructor(name: string) {
    this.channel = tracingChannel<C, C>(name)
    this.start = this.channel.start
    this.asyncEnd = this.channel.asyncEnd
    this.error = this.channel.error
  }

  get active(): boolean {
    return this.start.hasSubscribers || this.asyncEnd.hasSubscribers || this.error.hasSubscribers
  }

  trace<T>(context: C, run: () => Promise<T>): Promise<T> {
    const traced = this.channel.tracePromise(run, context) as Promise<T>
    // The caller may have asked for a callback instead and drop this promise.
    traced.catch(() => undefined)
    return traced
  }
}

export const commandChannel = new Observed<CommandContext>('ioredis:command')
export const batchChannel = new Observed<BatchContext>('ioredis:batch')
export const connectChannel = new Observed<ConnectContext>('ioredis:connect')

export function traceCommand(command: Command, server: TracedServer, promise: Promise<unknown>): Promise<unknown> {
  const context = { command: command.spec.name, args: describeArguments(command), ...server }
  return commandChannel.trace(context, () => promise)
}

/** For commands of a batch, which have no promise of their own: listens to how they settle. */
export function traceBatched(command: Command, server: TracedServer): void {
  const { succeed, fail } = command
  const settled = new Promise<unknown>((resolve, reject) => {
    command.succeed = (value) => {
      resolve(value)
      succeed.call(command, value)
    }
    command.fail = (error) => {
      reject(error)
      fail.call(command, error)
    }
  })
  traceCommand(command, server, settled)
}

/** Values never leave the process: only keys, and the arguments of commands that just read. */
export function describeArguments(command: Command): string[] {
  const { spec, args } = command
  const secret = (callFlags(spec, args) & FLAG.NO_AUTH) !== 0
  if (!secret && spec.keySpecs.length > 0 && isReadOnlyCall(spec, args)) return args.map(String)
  const shown = new Set(secret ? [] : keyPositions(spec, args))
  return args.map((arg, i) => (shown.has(i) ? String(arg) : '?'))
}
