import { RawClient } from '@cenote/test-support'
import type { Scenario, World } from '../scenario.js'
import { kept, occupy, slowScript } from './busy.js'

const killAndRestart = async (world: World): Promise<void> => {
  world.injected()
  await world.server.kill()
  await world.pause(world.random.between(300, 1_200))
  await world.server.restart()
  world.healed()
}

export const serverFaults: readonly Scenario[] = [
  {
    name: 'kill-restart-empty',
    title: 'server killed (SIGKILL), restarted empty',
    servedWithinMs: 1_000,
    async run(world) {
      world.injected()
      await world.server.kill()
      await world.pause(world.random.between(300, 1_200))
      world.forgets()
      await world.server.restart()
      world.healed()
    },
  },
  {
    name: 'kill-restart-aof',
    title: 'server killed (SIGKILL), restarted from its append-only file',
    servedWithinMs: 1_000,
    server: { appendOnly: 'always' },
    run: killAndRestart,
  },
  {
    name: 'stop-3s',
    title: 'server stopped (SIGSTOP) for 3 s',
    long: true,
    async run(world) {
      world.injected()
      world.server.pause()
      await world.pause(3_000)
      world.server.resume()
      world.healed()
    },
    check: kept,
  },
  {
    name: 'stop-for-good',
    title: 'server stopped (SIGSTOP) for good, later replaced',
    long: true,
    async run(world) {
      world.injected()
      world.server.pause()
      await world.pause(3_000)
      world.forgets()
      await world.server.restart()
      world.healed()
    },
  },
  {
    name: 'client-kill-one',
    title: 'one connection killed by the server',
    servedWithinMs: 1_000,
    long: true,
    async run(world) {
      const list = String(await world.server.command('CLIENT', 'LIST'))
      const ids = [...list.matchAll(/^id=(\d+) .* cmd=(?!client)/gm)].map((match) => match[1]!)
      world.injected()
      await world.server.command('CLIENT', 'KILL', 'ID', world.random.pick(ids))
      world.healed()
    },
  },
  {
    name: 'client-kill-all',
    title: 'every connection killed by the server',
    servedWithinMs: 1_000,
    long: true,
    async run(world) {
      world.injected()
      await world.server.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      world.healed()
    },
  },
  {
    name: 'client-kill-again-and-again',
    title: 'every connection killed, every 60 ms for a second',
    servedWithinMs: 1_000,
    async run(world) {
      world.injected()
      for (let round = 0; round < 16; round++) {
        await world.server.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
        await world.pause(60)
      }
      world.healed()
    },
  },
  {
    name: 'client-pause',
    title: 'CLIENT PAUSE for 1.2 s',
    long: true,
    async run(world) {
      world.injected()
      await world.server.command('CLIENT', 'PAUSE', '1200', 'ALL')
      await world.pause(1_200)
      world.healed()
    },
    check: kept,
  },
  {
    name: 'slow-script',
    title: 'a script holds the server for 1.2 s; BUSY from 200 ms on',
    long: true,
    server: { config: { 'busy-reply-threshold': 200 } },
    async run(world) {
      world.injected()
      await occupy(world, 'EVAL', slowScript(1_200), '0')
      world.healed()
    },
    check: kept,
  },
  {
    name: 'loading',
    title: 'server restarted, LOADING for a second or two',
    long: true,
    timeoutMs: 6_000,
    server: {
      appendOnly: 'always',
      config: { 'key-load-delay': 60, 'loading-process-events-interval-bytes': 1024, 'aof-use-rdb-preamble': 'no' },
    },
    async prepare(server) {
      const raw = await RawClient.open(server.target)
      const script = "for i = 1, 5000 do redis.call('SET', 'filler:' .. i, string.rep('x', 50)) end"
      await raw.send('EVAL', script, '0')
      raw.close()
    },
    async run(world) {
      world.injected()
      await world.server.restart()
      world.healed()
    },
  },
  {
    name: 'out-of-memory',
    title: 'maxmemory reached, noeviction: writes are refused',
    async run(world) {
      world.injected()
      await world.server.command('CONFIG', 'SET', 'maxmemory', '1')
      await world.pause(400)
      await world.server.command('CONFIG', 'SET', 'maxmemory', '0')
      world.healed()
    },
  },
  {
    name: 'read-only',
    title: 'server demoted to a replica (READONLY) for 500 ms',
    servedWithinMs: 1_000,
    server: { config: { 'replica-serve-stale-data': 'yes' } },
    async run(world) {
      world.injected()
      await world.server.command('REPLICAOF', '127.0.0.1', '1')
      await world.pause(500)
      await world.server.command('REPLICAOF', 'NO', 'ONE')
      world.healed()
    },
  },
  {
    name: 'output-buffer-limit',
    title: 'replies exceed the output buffer limit: the server hangs up',
    async prepare(server) {
      await server.command('SET', 'huge', 'x'.repeat(3_000_000))
    },
    async run(world) {
      await world.server.command('CONFIG', 'SET', 'client-output-buffer-limit', 'normal 2mb 0 0')
      world.injected()
      const huge = Array.from({ length: 20 }, () => world.client.call('GET', 'huge').catch(() => undefined))
      await world.pause(300)
      await world.server.command('CONFIG', 'SET', 'client-output-buffer-limit', 'normal 0 0 0')
      world.healed()
      await Promise.all(huge)
    },
  },
]
