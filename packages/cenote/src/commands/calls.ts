import { type Command, SETTLED } from '../connection/command.js'
import { sendInternal } from '../connection/handshake.js'
import { AbortedError, type CenoteError } from '../errors.js'
import { blockTimeoutMs } from '../metadata/lookup.js'
import type { ClientCore } from './client-core.js'

/** Terms of a single call that decide how it is sent. */
export interface RouteOptions {
  readonly signal?: AbortSignal | undefined
  readonly unordered?: boolean | undefined
}

/**
 * WAIT and WAITAOF ask about the writes of their own connection, as of its last command. So the lanes have to answer
 * first, and then the leased connection is told of the offset they have reached by any command at all.
 */
export function runAfterPing(command: Command, core: ClientCore, limit: () => void): void {
  const { onSettled } = command
  Promise.all([core.acquire({ label: command.spec.upperName }), core.settled()]).then(
    ([leased]) => {
      command.onSettled = () => {
        onSettled?.()
        void leased.release()
      }
      sendInternal(leased.connection, 'ping').catch(() => undefined)
      limit()
      leased.send(command)
    },
    (error: CenoteError) => core.fail(command, error),
  )
}

/**
 * ioredis' `blockingTimeout`: a blocking call whose time is up settles with null. It is called back from the server, and
 * an element it was given by then is delivered.
 */
export function blockedAtMost(
  command: Command,
  promise: Promise<unknown>,
  core: ClientCore,
  limit: { readonly blockingTimeout: number | undefined; readonly blockingTimeoutGrace: number },
): Promise<unknown> {
  const block = blockTimeoutMs(command.spec, command.args)
  const { blockingTimeout = 0 } = limit
  if (block === undefined || blockingTimeout <= 0) return promise
  const milliseconds = block === Number.POSITIVE_INFINITY ? blockingTimeout : block + limit.blockingTimeoutGrace
  let over = false
  const timer = setTimeout(() => {
    over = true
    core.cancel(command, undefined)
  }, milliseconds)
  return promise
    .catch((error: unknown) => {
      if (over && error instanceof AbortedError) return null
      throw error
    })
    .finally(() => clearTimeout(timer))
}

/** The stack of the call in place of the one of this package, below the first line. */
export function friendlyStack(promise: Promise<unknown>): Promise<unknown> {
  const here = new Error('called here').stack ?? ''
  const folder = new URL('..', import.meta.url)
  const callers = here
    .split('\n')
    .slice(1)
    .filter((line) => !line.includes(folder.href) && !line.includes(folder.pathname))
  return promise.catch((error: unknown) => {
    if (error instanceof Error) error.stack = [`${error.name}: ${error.message}`, ...callers].join('\n')
    throw error
  })
}

type Listening = Set<Command> & { stop?: () => void }

/** Many commands may share a signal; each signal gets one listener, for as long as any of them is unsettled. */
export class SignalListeners {
  private readonly waiting = new WeakMap<AbortSignal, Listening>()

  constructor(private readonly cancel: (command: Command, reason: unknown) => void) {}

  add(command: Command, signal: AbortSignal): void {
    if (command.stage === SETTLED) return
    const commands = this.waiting.get(signal) ?? this.listen(signal)
    commands.add(command)
    const { onSettled } = command
    command.onSettled = () => {
      commands.delete(command)
      if (commands.size === 0) this.waiting.get(signal)?.stop?.()
      onSettled?.()
    }
  }

  private listen(signal: AbortSignal): Listening {
    const commands: Listening = new Set<Command>()
    const onAbort = () => {
      for (const command of [...commands]) this.cancel(command, signal.reason)
    }
    commands.stop = () => {
      signal.removeEventListener('abort', onAbort)
      this.waiting.delete(signal)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    this.waiting.set(signal, commands)
    return commands
  }
}
