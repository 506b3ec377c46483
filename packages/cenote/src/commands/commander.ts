import { EventEmitter } from 'node:events'
import { BINARY, type Transform } from '../connection/command.js'
import { type CommandSpec, knownCommands, lookupCommand } from '../metadata/lookup.js'
import type { ArgumentInput } from './args.js'
import type { Script } from './script.js'
import { replyTransform, transformArguments } from './transforms.js'

/** What every command method calls; a symbol, so that subclasses of users cannot collide with it. */
export const DISPATCH: unique symbol = Symbol('cenote.dispatch')

/** A thing that has command methods: a pool, a lease, a pipeline. */
export interface Dispatcher {
  /**
   * @param args fresh array, owned by the callee
   * @param flags command flags, BINARY for the Buffer twins
   */
  [DISPATCH](
    spec: CommandSpec,
    args: ArgumentInput[],
    flags: number,
    transform: Transform | undefined,
    script?: Script,
  ): unknown
}

/**
 * Methods that users add with `defineCommand` are declared by augmenting this interface:
 * `declare module 'cenote' { interface CustomCommands<C> { myEcho(key: string, text: string): Result<string, C> } }`
 */
// biome-ignore lint/suspicious/noEmptyInterface: those who augment it fill it
export interface CustomCommands<
  // biome-ignore lint/correctness/noUnusedVariables: as above
  C,
> {}

/** Base of the clients that emit events; the command methods themselves come from {@link installCommands}. */
export abstract class Commander extends EventEmitter implements Dispatcher {
  abstract [DISPATCH](
    spec: CommandSpec,
    args: ArgumentInput[],
    flags: number,
    transform: Transform | undefined,
    script?: Script,
  ): Promise<unknown>

  /** Any command by name, modules too: `call('JSON.GET', 'doc', '$')`. */
  call(name: string, ...args: ArgumentInput[]): Promise<unknown> {
    return callByName(this, name, args, 0) as Promise<unknown>
  }

  /** Like {@link call}; text in the reply comes as Buffers. */
  callBuffer(name: string, ...args: ArgumentInput[]): Promise<unknown> {
    return callByName(this, name, args, BINARY) as Promise<unknown>
  }

  /** ioredis' older name of {@link call}. */
  send_command(name: string, ...args: ArgumentInput[]): Promise<unknown> {
    return callByName(this, name, args, 0) as Promise<unknown>
  }
}

/** @throws TypeError when the name is not text */
export function callByName(on: Dispatcher, name: string, args: ArgumentInput[], flags: number): unknown {
  if (typeof name !== 'string') throw new TypeError('call() takes the name of a command as its first argument')
  return on[DISPATCH](lookupCommand(name), transformArguments(name, args), flags, replyTransform(name))
}

export type Method = (this: Dispatcher, ...args: ArgumentInput[]) => unknown

/** The method of one command, for any class with {@link DISPATCH}. */
export function commandMethod(spec: CommandSpec, flags: number): Method {
  const transform = replyTransform(spec.name)
  const takesPairs = ['mset', 'msetnx', 'hset', 'hmset'].includes(spec.name)
  if (takesPairs) {
    return function (...args) {
      return this[DISPATCH](spec, transformArguments(spec.name, args), flags, transform)
    }
  }
  return function (...args) {
    return this[DISPATCH](spec, args, flags, transform)
  }
}

/** The method of a script. */
export function scriptMethod(script: Script, flags: number): Method {
  return function (...args) {
    return this[DISPATCH](script.full, script.arguments(args), flags, undefined, script)
  }
}

/** The same functions serve every class: a method finds what to do in its `this`. */
const methods = new Map<string, Method>()

/** Puts a method and its Buffer twin on the prototype for each known command that the class does not define itself. */
export function installCommands(prototype: Dispatcher): void {
  if (methods.size === 0) {
    for (const [name, spec] of knownCommands()) {
      methods.set(name, named(name, commandMethod(spec, 0)))
      methods.set(`${name}Buffer`, named(`${name}Buffer`, commandMethod(spec, BINARY)))
    }
  }
  for (const [name, value] of methods) if (!(name in prototype)) put(prototype, name, value)
}

/** The methods of a command, one of which somebody has called when the command is dispatched. */
export function entryPoints({ name }: CommandSpec): Method[] {
  const { call, callBuffer, send_command } = Commander.prototype
  const called = [methods.get(name), methods.get(`${name}Buffer`), call, callBuffer, send_command]
  return called.filter((method) => method !== undefined) as Method[]
}

export function defineMethod(target: object, name: string, value: Method): void {
  put(target, name, named(name, value))
}

function named(name: string, value: Method): Method {
  return Object.defineProperty(value, 'name', { value: name, configurable: true })
}

function put(target: object, name: string, value: Method): void {
  Object.defineProperty(target, name, { value, configurable: true, writable: true, enumerable: false })
}
