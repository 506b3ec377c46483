import type { RedisPool } from 'cenote'
import type { Role } from '../load/workload.js'
import type { Scenario, World } from '../scenario.js'

/** Thrown by the application on purpose; whoever catches what nobody else did lets it pass. */
function boom(): never {
  throw Object.assign(new Error('The application throws'), { expected: true })
}

const EVENTS = ['connecting', 'connect', 'ready', 'error', 'close', 'reconnecting', 'end', 'gap', 'leak', 'select']

/** Holds a lease long enough to be reported as a leak, again and again. */
async function leak(pool: RedisPool, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const lease = await pool.acquire().catch(() => undefined)
    await new Promise((resolve) => setTimeout(resolve, 60))
    await lease?.release()
  }
}

const transactionsAndStrangers: readonly Role[] = [
  { kinds: ['transaction'], callers: 60, restMs: 4 },
  { kinds: ['echo', 'get', 'count', 'push'], callers: 60, restMs: 4 },
  { kinds: ['pipeline'], callers: 20, restMs: 4 },
]

export const applicationFaults: readonly Scenario[] = [
  {
    name: 'listeners-throw',
    title: 'connections killed while every listener, callback and retryStrategy of the application throws',
    cenoteOnly: true,
    ownProcess: true,
    pool: { leakDetectionMs: 20, retryStrategy: boom, reconnectOnError: boom },
    servedWithinMs: 1_000,
    async run(world) {
      const pool = world.pool!
      for (const event of [...EVENTS, 'message', 'fallback']) pool.on(event, boom)
      world.injected()
      const leaking = leak(pool, 10)
      for (let round = 0; round < 10; round++) {
        for (let i = 0; i < 20; i++) pool.call('ECHO', 'x', boom).catch(() => undefined)
        pool.get('no such key', boom)
        for (const type of ['normal', 'pubsub']) {
          await world.server.command('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes')
        }
        await world.pause(60)
      }
      await leaking
      world.healed()
      await world.pause(300)
    },
  },
  {
    name: 'process-frozen',
    title: 'this process is stopped for 6 s shortly after a command; the server closes what is idle for 2 s',
    long: true,
    ownProcess: true,
    server: { config: { timeout: 2 } },
    // At its default: a check that falls due during the freeze would be the first to look.
    pool: { healthCheckIntervalMs: 30_000 },
    servedWithinMs: 1_000,
    async run(world) {
      world.load.pause()
      while (world.load.unsettled > 0) await world.pause(5)
      await world.client.call('ECHO', 'still there')
      // Due while nothing runs: they are issued before what waits in the sockets, an end of file say, can be read.
      const first = setTimeout(() => world.load.burst(['count', 'push', 'transaction', 'watch', 'lease']), 50)
      world.injected()
      await world.freeze(6_000)
      clearTimeout(first)
      world.healed()
      world.load.resume()
      await world.pause(1_000)
    },
    check: ({ load }) => {
      const unclear = load.calls.filter(({ verdict }) => verdict === 'unknown')
      if (unclear.length === 0) return []
      return [`${unclear.length} callers after the thaw were not told what became of their commands`]
    },
  },
  {
    name: 'queue-limit-in-transactions',
    title: 'the queue is full in the middle of transactions, against a server that pauses',
    cenoteOnly: true,
    pool: { maxQueuedCommands: 60 },
    roles: transactionsAndStrangers,
    async run(world) {
      world.injected()
      for (let round = 0; round < 4; round++) {
        await world.server.command('CLIENT', 'PAUSE', '150', 'ALL')
        await world.pause(300)
      }
      world.healed()
    },
    check: refusedSome,
  },
]

function refusedSome({ load }: World): string[] {
  const refused = load.calls.filter(({ verdict, kind }) => kind === 'transaction' && verdict === 'not-sent').length
  return refused > 0 ? [] : ['the queue was never full']
}
