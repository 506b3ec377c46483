import {
  freePort,
  type RedisServer,
  type ScriptedSentinel,
  type SentinelSet,
  scriptedSentinel,
  startRedis,
} from '@cenote/test-support'
import { answerFor, stopAnswering } from '../../names.js'
import type { SentinelScenario, TopologyWorld } from '../scenario.js'

const UNREPLICATED = 'a primary acknowledges before its replicas have the write; what it had not passed on dies with it'
const NAME = 'mymaster'

async function killed(world: TopologyWorld, set: SentinelSet): Promise<RedisServer> {
  const old = await set.primary()
  world.injected()
  await old.kill()
  const promoted = await set.promoted(old)
  await world.servedBy(promoted)
  return promoted
}

/** SENTINEL FAILOVER, until everybody follows the new primary. */
async function byHand(world: TopologyWorld, set: SentinelSet): Promise<void> {
  const old = await set.primary()
  world.injected()
  await set.failover()
  await world.servedBy(await set.promoted(old))
  // The old one goes on as a primary that can be written to until a sentinel tells it otherwise.
  await set.agreed(30_000)
}

/** Ends the client's connections to the data servers. */
async function cut(server: RedisServer): Promise<void> {
  for (const type of ['normal', 'pubsub']) {
    await server.command('CLIENT', 'KILL', 'TYPE', type, 'LADDR', `${server.host}:${server.port}`)
  }
}

let liar: ScriptedSentinel | undefined
let stranger: RedisServer | undefined

async function stopLiars(): Promise<void> {
  await liar?.stop()
  await stranger?.stop()
  liar = undefined
  stranger = undefined
}

/** The first sentinel that a client asks believes something else; then the client's connections are cut. */
const lied = (
  name: string,
  what: string,
  believe: (set: SentinelSet) => Promise<{ host: string; port: number }>,
): SentinelScenario => ({
  number: 31,
  topology: 'sentinel',
  name,
  title: `the first sentinel is out of date: it leads to ${what}; connections are cut`,
  touches: [0],
  async prepare(set) {
    const [, ...replicas] = set.group()
    const primary = await believe(set)
    liar = await scriptedSentinel({ [NAME]: { primary, replicas, sentinels: set.seeds, epoch: 0 } })
  },
  seeds: (set) => [{ host: liar!.host, port: liar!.port }, ...set.seeds],
  cleanUp: stopLiars,
  async run(world, set) {
    world.injected()
    await cut(await set.primary())
    world.healed()
    await world.pause(1_000)
  },
  async check() {
    const held = await stranger?.command('DBSIZE')
    return Number(held ?? 0) > 0 ? [`${held} keys were written to a server that is not the primary`] : []
  },
})

export const sentinelFaults: readonly SentinelScenario[] = [
  {
    number: 28,
    topology: 'sentinel',
    name: 'primary-killed',
    title: 'the primary is killed (SIGKILL); a replica is promoted',
    touches: [0],
    mayLose: UNREPLICATED,
    async run(world, set) {
      await killed(world, set)
      await world.pause(1_000)
    },
  },
  {
    number: 29,
    topology: 'sentinel',
    name: 'failover-by-hand',
    title: 'SENTINEL FAILOVER: the old primary can be written to for seconds, and what it takes is thrown away',
    touches: [0],
    noErrors: true,
    longestWaitMs: 250,
    long: true,
    run: byHand,
  },
  {
    number: 30,
    topology: 'sentinel',
    name: 'primary-frozen',
    title: 'the primary is frozen (SIGSTOP), a replica is promoted, and 2 s later the old one goes on',
    touches: [0],
    servedWithinMs: 1_500,
    mayLose: 'a stale primary acknowledges what waited in its sockets before it learns that it was replaced',
    async run(world, set) {
      const old = await set.primary()
      world.injected()
      old.pause()
      await world.servedBy(await set.promoted(old))
      await world.pause(2_000)
      old.resume()
      await set.agreed(30_000)
    },
  },
  lied('sentinel-names-a-replica', 'a replica', async (set) => set.group()[1]!),
  lied('sentinel-names-nobody', 'an address where nobody listens', async () => ({
    host: '127.0.0.1',
    port: await freePort(),
  })),
  lied('sentinel-names-a-stranger', 'the primary of somebody else', async () => {
    stranger = await startRedis({ config: { 'min-replicas-to-write': 1 } })
    return stranger
  }),
  {
    number: 32,
    topology: 'sentinel',
    name: 'quorum-lost',
    title: 'two of three sentinels are killed while the primary lives; then connections are cut',
    touches: [0],
    async run(world, set) {
      const [one, two] = set.sentinels
      world.injected()
      await Promise.all([one!.kill(), two!.kill()])
      await world.pause(1_000)
      await cut(await set.primary())
      world.healed()
      await world.pause(1_000)
    },
  },
  {
    number: 33,
    topology: 'sentinel',
    name: 'sentinels-gone',
    title: 'all sentinels are killed while the primary lives; then connections are cut',
    touches: [0],
    async run(world, set) {
      world.injected()
      await Promise.all(set.sentinels.map((sentinel) => sentinel.kill()))
      await world.pause(1_000)
      await cut(await set.primary())
      world.healed()
      await world.pause(1_500)
    },
    async check({ pool }) {
      const health = await pool?.health()
      if (health === undefined || health.reasons.some((reason) => /sentinel/i.test(reason))) return []
      return [`health() says ${health.status} (${health.reasons.join('; ')}) although no sentinel is left`]
    },
  },
  {
    number: 34,
    topology: 'sentinel',
    name: 'sentinels-elsewhere',
    title: 'the sentinels restart at other addresses behind one name, and the primary is replaced',
    servers: { sentinelAddresses: 'loopbacks' },
    touches: [0],
    mayLose: UNREPLICATED,
    long: true,
    seeds: (set) => [{ host: 'sentinels.test', port: set.sentinels[0]!.port }],
    async prepare(set) {
      answerFor(
        'sentinels.test',
        set.sentinels.map(({ host }) => host),
      )
    },
    cleanUp: stopAnswering,
    async run(world, set) {
      await set.moveSentinels((i) => `127.0.0.${131 + i}`)
      answerFor(
        'sentinels.test',
        set.sentinels.map(({ host }) => host),
      )
      await set.agreed()
      await killed(world, set)
      await world.pause(1_000)
    },
  },
  {
    number: 35,
    topology: 'sentinel',
    name: 'failback',
    title: 'the primary is killed and comes back empty as a replica; then it is made the primary again by hand',
    touches: [0],
    mayLose: UNREPLICATED,
    long: true,
    // A sentinel that had the choice could make another one the primary.
    servers: { replicas: 1 },
    async run(world, set) {
      const old = await set.primary()
      const promoted = await killed(world, set)
      await world.pause(500)
      await old.restart()
      await set.agreed(30_000)
      const since = performance.now()
      await set.failover()
      await set.promoted(promoted)
      await world.servedBy(old, { since })
      await set.agreed(30_000)
    },
  },
  {
    number: 36,
    topology: 'sentinel',
    name: 'too-few-replicas',
    title: 'both replicas are killed for 2 s: the primary refuses writes (NOREPLICAS)',
    servers: { config: { 'min-replicas-to-write': 1, 'min-replicas-max-lag': 1 }, downAfterMs: 10_000 },
    touches: [0],
    long: true,
    async run(world, set) {
      const [primary, ...replicas] = set.group() as [RedisServer, ...RedisServer[]]
      world.injected()
      await Promise.all(replicas.map((replica) => replica.kill()))
      await world.pause(3_000)
      const since = performance.now()
      await Promise.all(replicas.map((replica) => replica.restart()))
      await world.servedBy(primary, { since: since + 500 })
    },
  },
  {
    number: 37,
    topology: 'sentinel',
    name: 'another-name-switches',
    title: 'another primary of the same sentinels is replaced: nobody here notices',
    servers: { names: [NAME, 'other'] },
    touches: [],
    noErrors: true,
    long: true,
    async run(world, set) {
      const other = await set.primary('other')
      world.injected()
      await set.failover(set.sentinels[0], 'other')
      await set.promoted(other, 'other')
      world.healed()
      await world.pause(1_500)
    },
  },
  {
    number: 38,
    topology: 'sentinel',
    name: 'sentinel-silent',
    title: 'the first sentinel is frozen from the start; then connections are cut',
    touches: [0],
    async prepare(set) {
      set.sentinels[0]!.pause()
    },
    async run(world, set) {
      world.injected()
      await cut(await set.primary())
      world.healed()
      await world.pause(1_000)
    },
  },
  {
    number: 38,
    topology: 'sentinel',
    name: 'failover-aborted',
    title: 'a failover is announced (+selected-slave) and given up 500 ms later: writes that were held go on',
    touches: [0],
    noErrors: true,
    longestWaitMs: 1_500,
    async prepare(set) {
      const [primary, ...replicas] = set.group() as [RedisServer, ...RedisServer[]]
      liar = await scriptedSentinel({ [NAME]: { primary, replicas, sentinels: [], epoch: 1 } })
    },
    seeds: () => [{ host: liar!.host, port: liar!.port }],
    cleanUp: stopLiars,
    async run(world, set) {
      const [primary, replica] = set.group() as [RedisServer, RedisServer]
      const instance = `master ${NAME} ${primary.host} ${primary.port}`
      const chosen = `${replica.host}:${replica.port} ${replica.host} ${replica.port} @ ${NAME} ${primary.host} ${primary.port}`
      world.injected()
      liar!.announce('+try-failover', instance)
      liar!.announce('+selected-slave', `slave ${chosen}`)
      await world.pause(500)
      liar!.announce('-failover-abort-slave-timeout', instance)
      world.healed()
      await world.pause(1_000)
    },
  },
]
