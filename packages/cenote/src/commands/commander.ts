import { EventEmitter } from 'node:events'
import { BINARY, type Transform } from '../connection/command.js'
import { type CommandSpec, knownCommands, lookupCommand } from '../metadata/lookup.js'
import type { ArgumentInput } from './args.js'
import { replyTransform, transformArguments } from './transforms.js'

/** What every command method calls; symbols, so that subclasses of users cannot collide with it. */
export const DISPATCH: unique symbol = Symbol('cenote.dispatch')

/** A thing that has command methods: a pool, a lease, a pipeline. */
export interface Dispatcher {
  /**
   * @param args fresh array, owned by the callee
   * @param flags command flags, BINARY for the Buffer twins
   */
  [DISPATCH](spec: CommandSpec, args: ArgumentInput[], flags: number, transform: Transform | undefined): unknown
}

/** Base class of everything with command methods; the methods themselves come from {@link installCommands}. */
export abstract class Commander extends EventEmitter implements Dispatcher {
  abstract [DISPATCH](
    spec: CommandSpec,
    args: ArgumentInput[],
    flags: number,
    transform: Transform | undefined,
  ): unknown

  /** Any command by name, modules too: `call('JSON.GET', 'doc', '$')`. */
  call(name: string, ...args: ArgumentInput[]): Promise<unknown> {
    return this.callWith(name, args, 0)
  }

  /** Like {@link call}; text in the reply comes as Buffers. */
  callBuffer(name: string, ...args: ArgumentInput[]): Promise<unknown> {
    return this.callWith(name, args, BINARY)
  }

  /** ioredis' older name of {@link call}. */
  send_command(name: string, ...args: ArgumentInput[]): Promise<unknown> {
    return this.callWith(name, args, 0)
  }

  private callWith(name: string, args: ArgumentInput[], flags: number): Promise<unknown> {
    if (typeof name !== 'string') throw new TypeError('call() takes the name of a command as its first argument')
    const transform = replyTransform(name)
    return this[DISPATCH](lookupCommand(name), transformArguments(name, args), flags, transform) as Promise<unknown>
  }
}

type Method = (this: Dispatcher, ...args: ArgumentInput[]) => unknown

function method(spec: CommandSpec, flags: number): Method {
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

/** Puts a method and its Buffer twin on the prototype for each known command that the class does not define itself. */
export function installCommands(prototype: Dispatcher): void {
  for (const [name, spec] of knownCommands()) {
    define(prototype, name, method(spec, 0))
    define(prototype, `${name}Buffer`, method(spec, BINARY))
  }
}

function define(prototype: object, name: string, value: Method): void {
  if (name in prototype) return
  Object.defineProperty(value, 'name', { value: name })
  Object.defineProperty(prototype, name, { value, configurable: true, writable: true, enumerable: false })
}
