import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Lease } from 'cenote'
import type { Job, Target } from '../job.js'
import { ServerView } from '../measure/server.js'
import { measureWindow } from '../measure/window.js'
import type { Workload } from './types.js'

const SIZE = 16
/** Borrowing waits for nothing but promises: without a break now and then no timer would ever run. */
const TURN = 128

/** A pool with all its resources made, as borrowers see it. */
interface Lender {
  /** Borrows, waits for what `held` returns, gives back. */
  borrow(held: () => Promise<void> | undefined): Promise<void>
  close(): Promise<void>
}

const lenders: Readonly<Record<string, (target: Target) => Promise<Lender>>> = {
  cenote: async (target) => {
    const { createPool } = await import('cenote')
    const { poolOptions } = await import('../clients/cenote.js')
    const pool = createPool({ ...poolOptions(target), minConnections: SIZE, maxConnections: SIZE + 2 })
    const leases: Lease[] = await Promise.all(Array.from({ length: SIZE }, () => pool.acquire()))
    await Promise.all(leases.map((lease) => lease.release()))
    return {
      borrow: async (held) => {
        const lease = await pool.acquire()
        const pause = held()
        if (pause !== undefined) await pause
        void lease.release()
      },
      close: () => pool.close(),
    }
  },
  'generic-pool': async () => {
    const { default: genericPool } = await import('generic-pool')
    const pool = genericPool.createPool({ create: async () => ({}), destroy: async () => {} }, { min: SIZE, max: SIZE })
    await pool.ready()
    return {
      borrow: async (held) => {
        const resource = await pool.acquire()
        const pause = held()
        if (pause !== undefined) await pause
        void pool.release(resource)
      },
      close: async () => {
        await pool.drain()
        await pool.clear()
      },
    }
  },
  tarn: async () => {
    const { Pool: TarnPool } = await import('tarn')
    const pool = new TarnPool({ create: async () => ({}), destroy: () => {}, min: SIZE, max: SIZE })
    const all = await Promise.all(Array.from({ length: SIZE }, () => pool.acquire().promise))
    for (const resource of all) pool.release(resource)
    return {
      borrow: async (held) => {
        const resource = await pool.acquire().promise
        const pause = held()
        if (pause !== undefined) await pause
        pool.release(resource)
      },
      close: async () => {
        await pool.destroy()
      },
    }
  },
  'lightning-pool': async () => {
    const { Pool: LightningPool } = await import('lightning-pool')
    const pool = new LightningPool(
      { create: async () => ({}), destroy: async () => {} },
      { min: SIZE, max: SIZE, maxQueue: 10_000 },
    )
    const all = await Promise.all(Array.from({ length: SIZE }, () => pool.acquire()))
    await Promise.all(all.map((resource) => pool.releaseAsync(resource)))
    return {
      borrow: async (held) => {
        const resource = await pool.acquire()
        const pause = held()
        if (pause !== undefined) await pause
        pool.release(resource)
      },
      close: () => pool.closeAsync(true),
    }
  },
}

export const leaseClients: readonly string[] = Object.keys(lenders)

/**
 * Borrow and return. cenote lends connected, watched connections; the others lend empty objects. With more borrowers
 * than resources each is kept for a turn of the microtask queue, so that there are always some who wait.
 */
export function lease(id: string, title: string, callers: number): Workload {
  return {
    id,
    title,
    unit: 'leases',
    measure: async (job: Job) => {
      const lender = await lenders[job.client]!({ ...job.target, tls: undefined })
      const server = await ServerView.open(job.target)
      let out = 0
      const keep = async (): Promise<void> => {
        if (++out > SIZE) throw new Error(`${out} resources were lent at once; there are ${SIZE}`)
        await undefined
        out--
      }
      const held = callers > SIZE ? keep : () => undefined
      try {
        const options = { ...job, callers, commandsPerOperation: 0 }
        const measured = await measureWindow(options, server, async (_, loop) => {
          while (loop.running) {
            for (let n = 0; n < TURN; n++) {
              const begun = loop.begin()
              await lender.borrow(held)
              loop.end(begun)
            }
            await nextTurn()
          }
        })
        return { ...measured, serverCpuUs: undefined }
      } finally {
        server.close()
        await lender.close()
      }
    },
  }
}
