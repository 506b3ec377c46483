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

/**
 * The same for several servers, with commands of several keys and scripts. Each caller keeps to one shard; who feeds
 * queues goes round, so that elements meet those who wait for them.
 * @param spread without commands that have no key: whichever server they go to, they say nothing about a shard
 */
export function topologyLoad(spread: boolean, callers = 36): Role[] {
  const kinds: KindName[] = ['get', 'push', 'count', 'multi-key', 'script', 'pipeline', 'transaction']
  return [
    { kinds: spread ? kinds : ['echo', ...kinds], callers, restMs: 10 },
    { kinds: ['watch'], callers: 3, restMs: 6 },
    { kinds: ['lease'], callers: 3, restMs: 6 },
    { kinds: ['feed'], callers: 3, restMs: 12, roams: true },
    { kinds: ['pop'], callers: 3, restMs: 4, roams: true },
    { kinds: ['pop-for-ever'], callers: 3, restMs: 4, roams: true },
  ]
}
