import type { Command } from '../connection/command.js'
import { AbortedError } from '../errors.js'
import { blockTimeoutMs } from '../metadata/lookup.js'
import { clearTimeout, setTimeout } from '../timers.js'

/**
 * ioredis' `blockingTimeout`: a blocking call whose time is up settles with null. It is called back from the server, and
 * an element it was given by then is delivered.
 */
export function blockedAtMost(
  command: Command,
  promise: Promise<unknown>,
  cancel: () => void,
  limit: { readonly blockingTimeout: number | undefined; readonly blockingTimeoutGrace: number },
): Promise<unknown> {
  const block = blockTimeoutMs(command.spec, command.args)
  const { blockingTimeout = 0 } = limit
  if (block === undefined || blockingTimeout <= 0) return promise
  const milliseconds = block === Number.POSITIVE_INFINITY ? blockingTimeout : block + limit.blockingTimeoutGrace
  let over = false
  const timer = setTimeout(() => {
    over = true
    cancel()
  }, milliseconds)
  return promise
    .catch((error: unknown) => {
      if (over && error instanceof AbortedError) return null
      throw error
    })
    .finally(() => clearTimeout(timer))
}
