import type { Command } from '../connection/command.js'
import { sendInternal } from '../connection/handshake.js'
import { AbortedError, type CenoteError } from '../errors.js'
import { blockTimeoutMs } from '../metadata/lookup.js'
import type { ClientCore } from './client-core.js'

/** Terms of a single call that decide how it is sent. */
export interface RouteOptions {
  readonly signal?: AbortSignal | undefined
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
  const timer = setTimeout(() => core.cancel(command, new Error('blockingTimeout')), milliseconds)
  return promise
    .catch((error: unknown) => {
      if (error instanceof AbortedError && (error.cause as Error | undefined)?.message === 'blockingTimeout')
        return null
      throw error
    })
    .finally(() => clearTimeout(timer))
}

/** The stack of the call in place of the one of this package, below the first line. */
export function friendlyStack(promise: Promise<unknown>): Promise<unknown> {
  const here = new Error('called here').stack ?? ''
  const folder = import.meta.url.slice(0, import.meta.url.lastIndexOf('/cenote/') + 8)
  const callers = here
    .split('\n')
    .slice(1)
    .filter((line) => !line.includes(folder) && !line.includes(folder.replace('file://', '')))
  return promise.catch((error: unknown) => {
    if (error instanceof Error) error.stack = [`${error.name}: ${error.message}`, ...callers].join('\n')
    throw error
  })
}
