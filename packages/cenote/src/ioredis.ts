import type { EventEmitter } from 'node:events'
import { DISPATCH } from './commands/commander.js'
import { RedisPool } from './commands/redis-pool.js'
import type { Script } from './commands/script.js'
import type { PoolOptions } from './config/options.js'
import { type BatchSink, BINARY, type Command, type Transform } from './connection/command.js'
import { ReplyError } from './errors.js'
import { type CommandSpec, lookupCommand } from './metadata/lookup.js'

/** The `Redis` class of the application's own copy of ioredis, 5 or 6, or a class derived from it. */
export type RedisClass = new (...args: never[]) => EventEmitter

/** What a pool has that ioredis has not. */
export type PoolMethods = Pick<
  RedisPool,
  'acquire' | 'withConnection' | 'stats' | 'health' | 'close' | typeof Symbol.asyncDispose
>

/**
 * A pool that is an instance of the given class and typed as one, for libraries that test `client instanceof Redis`
 * and otherwise open a connection of their own, silently, to localhost.
 *
 * The constructor of `Redis` is never run: every connection is the pool's. Wrappers of `Redis.prototype.sendCommand`
 * (OpenTelemetry, dd-trace) see each command.
 *
 * ```ts
 * import { Redis } from 'ioredis'
 * import { poolFor } from 'cenote/ioredis'
 * export const redis = poolFor(Redis, 'redis://cache:6379')
 * ```
 * @throws TypeError when the first argument is no class, ConfigError for unknown or contradictory options
 */
export function poolFor<R extends RedisClass>(Redis: R, options?: PoolOptions): InstanceType<R> & PoolMethods
export function poolFor<R extends RedisClass>(
  Redis: R,
  url: string,
  options?: PoolOptions,
): InstanceType<R> & PoolMethods
export function poolFor<R extends RedisClass>(
  Redis: R,
  first?: string | PoolOptions,
  second?: PoolOptions,
): InstanceType<R> & PoolMethods {
  if (
    typeof Redis !== 'function' ||
    typeof (Redis.prototype as Partial<Sender> | undefined)?.sendCommand !== 'function'
  ) {
    throw new TypeError("poolFor() takes the Redis class first: import { Redis } from 'ioredis'")
  }
  recogniseReplies((Redis as { ReplyError?: unknown }).ReplyError)
  const pool = typeof first === 'string' ? new RedisPool(first, second) : new RedisPool(first)
  return adopt(pool, Redis) as unknown as InstanceType<R> & PoolMethods
}

/** The part of ioredis' instances that its own `sendCommand` touches, and that of a pool which is bridged. */
interface Sender {
  sendCommand(command: SentCommand): unknown
  status: string
}

type Prototype = Record<PropertyKey, unknown>

/**
 * Lets `error instanceof Redis.ReplyError` hold for what the server answers through a pool. The errors cannot descend from
 * that class and from ours, so the class is taught to recognise them; what derives from it is left as it is.
 */
function recogniseReplies(theirs: unknown): void {
  if (typeof theirs !== 'function' || Object.hasOwn(theirs, Symbol.hasInstance)) return
  const ordinary = Function.prototype[Symbol.hasInstance]
  Object.defineProperty(theirs, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      return ordinary.call(this as never, value) || (this === theirs && value instanceof ReplyError)
    },
    configurable: true,
  })
}

/** One prototype per class of client and class of ioredis. */
const bridges = new WeakMap<object, WeakMap<object, object>>()

/**
 * Gives an object a prototype that has the methods of its own class and descends from `Redis.prototype`. The object
 * itself, and with it its private fields, stays what it was.
 */
function adopt<T extends object>(client: T, Redis: RedisClass): T {
  const own = Object.getPrototypeOf(client) as object
  const known = bridges.get(Redis) ?? new WeakMap<object, object>()
  const bridge = known.get(own) ?? makeBridge(own, Redis)
  bridges.set(Redis, known.set(own, bridge))
  return Object.setPrototypeOf(client, bridge) as T
}

function makeBridge(own: object, Redis: RedisClass): object {
  const bridge = Object.create(Redis.prototype as object) as Prototype
  const classes: object[] = []
  for (let type = own; type !== Object.prototype; type = Object.getPrototypeOf(type) as object) classes.unshift(type)
  for (const type of classes) {
    const {
      constructor: _,
      sendCommand: __,
      ...descriptors
    } = Object.getOwnPropertyDescriptors(type) as Record<PropertyKey, PropertyDescriptor>
    Object.defineProperties(bridge, descriptors)
  }
  hide(bridge, 'constructor', makeClass(own, bridge, Redis))
  for (const [name, value] of Object.entries(leftToIoredis)) hide(bridge, name, value)
  sendThroughPrototype(bridge)
  return bridge
}

/** What `new client.constructor(options)` makes, and `duplicate()`: a client of the same kind. */
function makeClass(own: object, bridge: object, Redis: RedisClass): unknown {
  const Own = own.constructor as new (...args: unknown[]) => object
  function BridgedRedis(...args: unknown[]): object {
    return adopt(new Own(...args), Redis)
  }
  // Some libraries know a client by this name.
  Object.defineProperty(BridgedRedis, 'name', { value: 'Redis' })
  Object.setPrototypeOf(BridgedRedis, Redis)
  BridgedRedis.prototype = bridge
  return BridgedRedis
}

function hide(target: object, name: PropertyKey, value: unknown): void {
  Object.defineProperty(target, name, { value, configurable: true, writable: true, enumerable: false })
}

/**
 * ioredis' own `sendCommand` is what all wrappers end in. These stand in for its socket and its queues, so that a
 * command that got there is handed to the pool.
 */
const leftToIoredis: Readonly<Record<string, unknown>> = {
  stream: { writable: true, write: () => true },
  condition: {
    subscriber: false,
    /** ioredis compares and announces; the pool has announced it already. */
    get select() {
      return lastSelected
    },
    set select(_database: number) {},
  },
  getBlockingTimeoutInMs: () => undefined,
  setSocketTimeout: () => undefined,
  // Commands share writes without being collected first.
  autoPipelineQueueSize: 0,
}

let lastSelected = Number.NaN

/** A command as wrappers of `sendCommand` see it: they read its name and arguments and replace `resolve` and `reject`. */
class SentCommand {
  readonly promise: Promise<unknown>
  resolve!: (value: unknown) => void
  reject!: (error: Error) => void
  /** Keeps ioredis from publishing on the diagnostics channels, where the pool publishes already. */
  readonly isTraced = true
  inTransaction = false
  pipelineIndex: number | undefined

  constructor(
    readonly name: string,
    readonly args: readonly unknown[],
    private readonly whenSent: (() => void) | undefined,
  ) {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }

  hand(): void {
    if (this.name === 'select') lastSelected = Number.parseInt(String(this.args[0]), 10)
    this.whenSent?.()
  }

  setReplyContext(): void {}
  setTimeout(): void {}
  setBlockingTimeout(): void {}
  toWritable(): string {
    return ''
  }
}

let lastSender: unknown
let lastIsWrapped = false

/** ioredis' own function writes to its queue; a wrapper around it does not. Asked once per function. */
function isWrapped(sendCommand: unknown): boolean {
  if (sendCommand === lastSender) return lastIsWrapped
  lastSender = sendCommand
  lastIsWrapped = !Function.prototype.toString.call(sendCommand).includes('offlineQueue')
  return lastIsWrapped
}

/** A `Command` of ioredis that the application made itself and gave to `sendCommand`; it decodes its own reply. */
interface ForeignCommand {
  readonly name: string
  readonly args: readonly unknown[]
  resolve(reply: unknown): void
  reject(error: Error): void
}

type Dispatch = (
  this: Sender,
  spec: CommandSpec,
  args: unknown[],
  flags: number,
  transform: Transform | undefined,
  script?: Script,
) => Promise<unknown>
type SubmitBatch = (this: Sender, commands: Command[], ...rest: unknown[]) => unknown

/** Lets commands take the way through `Redis.prototype.sendCommand` as soon as somebody has wrapped it. */
function sendThroughPrototype(bridge: Prototype): void {
  const dispatch = bridge[DISPATCH] as Dispatch
  const submitBatch = bridge.submitBatch as SubmitBatch
  const queue = {
    get(this: Sender) {
      return { length: 1, push: ({ command }: { command: SentCommand | ForeignCommand }) => hand(this, command) }
    },
    configurable: true,
  }
  Object.defineProperties(bridge, { commandQueue: queue, offlineQueue: queue })
  const hand = (client: Sender, command: SentCommand | ForeignCommand): void => {
    if (command instanceof SentCommand) command.hand()
    else {
      const sent = dispatch.call(client, lookupCommand(command.name), [...command.args], BINARY, undefined)
      sent.then(command.resolve, command.reject)
    }
  }
  hide(bridge, DISPATCH, function (this: Sender, ...call: Parameters<Dispatch>) {
    return isWrapped(this.sendCommand) && this.status !== 'end' ? observed(this, call) : dispatch.apply(this, call)
  } satisfies Dispatch)
  const observed = (client: Sender, call: Parameters<Dispatch>): Promise<unknown> => {
    const [spec, args, , , script] = call
    const hasCallback = typeof args.at(-1) === 'function'
    const shown = (hasCallback ? args.slice(0, -1) : args).flat()
    if (script !== undefined) shown[0] = script.sha
    const sent = new SentCommand(script === undefined ? spec.name : 'evalsha', shown, () => {
      dispatch.apply(client, call).then(
        (value) => sent.resolve(value),
        (error: Error) => sent.reject(error),
      )
    })
    if (hasCallback) sent.promise.catch(() => undefined)
    client.sendCommand(sent)
    return sent.promise
  }
  hide(bridge, 'submitBatch', function (this: Sender, commands: Command[], ...rest: unknown[]) {
    if (isWrapped(this.sendCommand)) announceBatch(this, commands)
    return submitBatch.call(this, commands, ...rest)
  })
}

/** Shows a pipeline's commands to wrappers one by one; the pipeline itself goes out as a whole. */
function announceBatch(client: Sender, commands: readonly Command[]): void {
  const isTransaction = commands[0]?.spec.name === 'multi'
  const sent = commands.map(({ spec, args }, i) => {
    const command = new SentCommand(spec.name, args, undefined)
    command.inTransaction = isTransaction
    command.pipelineIndex = i
    command.promise.catch(() => undefined)
    client.sendCommand(command)
    return command
  })
  const observed = new Map<BatchSink, BatchSink>()
  for (const command of commands) {
    const sink = command.batch
    if (sink === undefined) continue
    let wrapper = observed.get(sink)
    if (wrapper === undefined) {
      // It inherits what else the sink can do, because scripts and lanes ask it for more.
      wrapper = Object.create(sink, {
        settle: {
          value: (index: number, error: Error | undefined, value: unknown) => {
            if (error !== undefined) sent[index]?.reject(error)
            else sent[index]?.resolve(value)
            sink.settle(index, error, value)
          },
        },
        queueErrors: { get: () => sink.queueErrors },
        restart: { value: () => sink.restart?.() },
      }) as BatchSink
      observed.set(sink, wrapper)
    }
    command.batch = wrapper
  }
}
