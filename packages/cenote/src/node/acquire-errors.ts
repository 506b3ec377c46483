import { AbortedError, AcquireTimeoutError, type LeaseHolder, OverloadedError } from '../errors.js'

/** How the connections for leases stand at the moment of a complaint. */
export interface LeaseCounts {
  readonly total: number
  readonly idle: number
  readonly leased: number
  readonly dialing: number
  readonly waiting: number
  readonly max: number
}

/** How many holders an error names. */
const NAMED_HOLDERS = 5

function describe(counts: LeaseCounts): string {
  const { total, max, idle, leased, dialing, waiting } = counts
  return `Connections for leases: ${total} of at most ${max} with the shared ones (idle ${idle}, leased ${leased}, dialing ${dialing}), waiting ${waiting}`
}

/** Names the culprit: who holds the connections, why no new one comes, or that this process was too busy to notice. */
export function acquireTimeout(
  label: string,
  waited: number,
  counts: LeaseCounts,
  allHolders: readonly LeaseHolder[],
  lastDialError: string | undefined,
  lag: number,
): AcquireTimeoutError {
  const waitedMs = Math.round(waited)
  const loopLagMs = Math.round(lag)
  const holders = allHolders.slice(0, NAMED_HOLDERS)
  const longest = holders.map((holder) => `${holder.label} for ${holder.heldMs} ms`).join(', ')
  const message =
    `No connection became free for ${label} within ${waitedMs} ms. ${describe(counts)}. ` +
    (longest === '' ? '' : `Longest holders: ${longest}. `) +
    (lastDialError === undefined ? '' : `Last dial error: ${lastDialError}. `) +
    `Event loop lag ${loopLagMs} ms. ` +
    (holders.length > 0
      ? `Release leases sooner, or raise maxConnections (${counts.max}) or acquireTimeoutMs`
      : 'Check that the server can be reached and has room for more connections')
  return new AcquireTimeoutError(message, { waitedMs, ...counts, holders, lastDialError, loopLagMs })
}

export function tooManyWaiters(counts: LeaseCounts, usualWaitMs: number): OverloadedError {
  const retryAfterMs = Math.max(50, Math.round(usualWaitMs))
  return new OverloadedError(
    `A lease was refused: ${counts.waiting} callers already wait (maxWaiters). ${describe(counts)}. Try again in ${retryAfterMs} ms`,
    retryAfterMs,
  )
}

export function aborted(signal: AbortSignal): AbortedError {
  return new AbortedError('not-sent', 'The wait for a lease was aborted by its signal', { cause: signal.reason })
}
