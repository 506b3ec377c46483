import { startRedis } from '@cenote/test-support'
import type { Lease } from 'cenote'
import { commandLoad } from '../load/roles.js'
import { answerFor, stopAnswering } from '../names.js'
import type { Scenario, World } from '../scenario.js'

function blockLoop(milliseconds: number): void {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

const unharmed = ({ pool }: World): string[] => {
  if (pool === undefined) return []
  const { breaker, closed, commands } = pool.stats()
  const found: string[] = []
  if (breaker !== 'closed') found.push(`the breaker is ${breaker}`)
  if ((closed.watchdog ?? 0) > 0) found.push('a connection was closed by the watchdog')
  if (commands.notSent + commands.unknown > 0) found.push('commands failed')
  return found
}

const blocked =
  (milliseconds: number) =>
  async (world: World): Promise<void> => {
    world.injected()
    blockLoop(milliseconds)
    world.healed()
    await world.pause(200)
  }

export const processFaults: readonly Scenario[] = [
  {
    name: 'loop-blocked-500ms',
    title: 'this process blocks its event loop for 500 ms',
    timeoutMs: 400,
    run: blocked(500),
    check: unharmed,
  },
  {
    name: 'loop-blocked-5s',
    title: 'this process blocks its event loop for 5 s',
    long: true,
    run: blocked(5_000),
    check: unharmed,
  },
  {
    name: 'dns-change',
    title: 'the name leads to another server; the old one dies',
    hostName: 'redis.chaos.test',
    roles: commandLoad(40, ['echo']),
    async prepare() {
      answerFor('redis.chaos.test', ['127.0.0.1'])
    },
    cleanUp: stopAnswering,
    async run(world) {
      const next = await startRedis({ port: world.server.port, config: { bind: '127.0.0.2' } })
      try {
        world.injected()
        answerFor('redis.chaos.test', ['127.0.0.2'])
        await world.server.kill()
        world.healed()
        await world.pause(500)
        answerFor('redis.chaos.test', ['127.0.0.1'])
        await next.kill()
        world.forgets()
        await world.server.restart()
        await world.pause(300)
      } finally {
        await next.stop()
      }
    },
  },
  {
    name: 'leases-never-returned',
    title: 'borrowers take every lease and never return it',
    cenoteOnly: true,
    pool: { maxConnections: 6, acquireTimeoutMs: 300 },
    roles: commandLoad(),
    async run(world) {
      const pool = world.pool!
      world.injected()
      const held: Lease[] = []
      const failed: unknown[] = []
      for (let i = 0; i < 8; i++) {
        await pool.acquire({ label: `borrower ${i}` }).then(
          (lease) => held.push(lease),
          (error) => failed.push(error),
        )
      }
      world.healed()
      messages = failed.map((error) => (error as Error).message)
      await world.pause(200)
      await Promise.all(held.map((lease) => lease.release()))
    },
    check: () =>
      messages.length >= 3 && messages.every((message) => /Longest holders: borrower 0 for \d+ ms/.test(message))
        ? []
        : ['the errors do not name the borrowers'],
  },
  {
    name: 'ten-times-the-queue',
    title: 'ten times more callers than the queue allows, against a paused server',
    cenoteOnly: true,
    roles: commandLoad(2_000),
    pool: { maxQueuedCommands: 200 },
    async run(world) {
      world.injected()
      await world.server.command('CLIENT', 'PAUSE', '400', 'ALL')
      await world.pause(500)
      world.healed()
    },
    check: ({ pool }) => {
      const refused = pool?.stats().commands.notSent ?? 0
      return refused > 1_000 ? [] : [`only ${refused} callers were refused`]
    },
  },
]
let messages: string[] = []
