import type { RedisLike, RedisStats } from './redis/like.js'

export interface WorkerStats {
  readonly worker: number
  readonly pid: number
  readonly redis: RedisStats
}

export interface PoolTotals {
  readonly workers: number
  readonly connections: RedisStats['connections']
  readonly waiters: number
  /** Of the fullest worker: an average would hide one that is exhausted. */
  readonly utilization: number
  readonly acquireTimeouts: number
  readonly commands: RedisStats['commands']
}

export function ownStats(worker: number, redis: RedisLike): WorkerStats {
  return { worker, pid: process.pid, redis: redis.stats() }
}

function sumUp<T extends object>(parts: readonly T[]): Record<keyof T, number> {
  const sums = {} as Record<keyof T, number>
  for (const part of parts) {
    for (const [key, value] of Object.entries(part) as [keyof T, unknown][]) {
      if (typeof value === 'number') sums[key] = (sums[key] ?? 0) + value
    }
  }
  return sums
}

export function totals(all: readonly WorkerStats[]): PoolTotals {
  const stats = all.map((one) => one.redis)
  return {
    workers: all.length,
    connections: sumUp(stats.map((one) => one.connections)),
    waiters: stats.reduce((sum, one) => sum + one.waiters, 0),
    utilization: Math.max(0, ...stats.map((one) => one.utilization)),
    acquireTimeouts: stats.reduce((sum, one) => sum + one.acquireTimeouts, 0),
    commands: sumUp(stats.map((one) => one.commands)),
  }
}
