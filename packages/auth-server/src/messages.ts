import type { WorkerStats } from './worker-stats.js'

/** What the primary tells a worker. A `connection` comes with its socket. */
export type FromPrimary =
  | { readonly type: 'connection' }
  | { readonly type: 'leave' }
  | { readonly type: 'drain' }
  | { readonly type: 'stats'; readonly id: number }
  | { readonly type: 'gathered'; readonly id: number; readonly all: readonly WorkerStats[] }

/** What a worker tells the primary. */
export type FromWorker =
  | { readonly type: 'ready' }
  | { readonly type: 'drained'; readonly cutOff: number }
  | { readonly type: 'gather'; readonly id: number }
  | { readonly type: 'stats'; readonly id: number; readonly stats: WorkerStats | undefined }

/** Exit statuses of the service. */
export const EXIT = { ok: 0, failed: 1, misconfigured: 2 } as const
