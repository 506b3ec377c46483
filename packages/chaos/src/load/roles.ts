import type { KindName } from './call.js'
import type { Role } from './workload.js'

export const COMMANDS: readonly KindName[] = ['echo', 'get', 'push', 'count']

/** Ordinary commands only. */
export function commandLoad(callers = 40, kinds: readonly KindName[] = COMMANDS): Role[] {
  return [{ kinds, callers, restMs: 4 }]
}

/**
 * Everything a client does: batches among the commands, and callers who need a connection of their own. Together they
 * hold fewer connections than the smallest preset allows, so that nobody is refused for lack of one.
 */
export function wholeLoad(callers = 40, kinds: readonly KindName[] = COMMANDS): Role[] {
  return [
    { kinds: [...kinds, 'pipeline', 'transaction'], callers, restMs: 4 },
    { kinds: ['watch'], callers: 3, restMs: 6 },
    { kinds: ['lease'], callers: 3, restMs: 6 },
    { kinds: ['feed'], callers: 2, restMs: 12 },
    { kinds: ['pop'], callers: 3, restMs: 4 },
    { kinds: ['pop-for-ever'], callers: 2, restMs: 4 },
  ]
}
