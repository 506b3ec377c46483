import { scriptedPeer } from '@cenote/test-support'
import { commandLoad } from '../load/roles.js'
import { answerFor, stopAnswering } from '../names.js'
import type { Scenario, World } from '../scenario.js'

/** Ports of the client's connections, as the server sees them. */
async function clientPorts(world: World): Promise<number[]> {
  const list = String(await world.server.command('CLIENT', 'LIST'))
  return [...list.matchAll(/ addr=198\.18\.\d+\.1:(\d+) /g)].map((match) => Number(match[1]))
}

const dropFor =
  (direction: 'to-server' | 'from-server' | 'both', milliseconds: number) =>
  async (world: World): Promise<void> => {
    world.injected()
    world.network.drop(direction, world.server.port)
    await world.pause(milliseconds)
    world.network.heal()
    world.healed()
  }

export const pathFaults: readonly Scenario[] = [
  {
    name: 'half-open',
    title: 'open connections go silent under load (both directions dropped); new ones work',
    servedWithinMs: 3_000,
    path: 'network',
    async run(world) {
      const ports = await clientPorts(world)
      world.injected()
      world.network.drop('both', world.server.port, ports)
      world.healed()
      await world.pause(2_500)
    },
  },
  {
    name: 'half-open-one-way',
    title: 'replies of open connections are dropped under load; new ones work',
    servedWithinMs: 3_000,
    long: true,
    path: 'network',
    async run(world) {
      const ports = await clientPorts(world)
      world.injected()
      world.network.drop('from-server', world.server.port, ports)
      world.healed()
      await world.pause(2_500)
    },
  },
  {
    name: 'half-open-idle',
    title: 'open connections go silent while idle for 6 s; new ones work',
    servedWithinMs: 3_000,
    path: 'network',
    long: true,
    async run(world) {
      world.load.pause()
      await world.pause(300)
      const ports = await clientPorts(world)
      world.network.drop('both', world.server.port, ports)
      await world.pause(6_000)
      world.injected()
      world.healed()
      world.load.resume()
      await world.pause(2_500)
    },
  },
  {
    name: 'drop-to-server',
    title: 'nothing reaches the server for 3 s',
    path: 'network',
    long: true,
    run: dropFor('to-server', 3_000),
  },
  {
    name: 'drop-from-server',
    title: 'nothing comes back from the server for 3 s',
    path: 'network',
    long: true,
    run: dropFor('from-server', 3_000),
  },
  { name: 'drop-both', title: 'the path is down for 3 s', path: 'network', long: true, run: dropFor('both', 3_000) },
  {
    name: 'loss',
    title: 'a tenth of all packets lost for 2 s',
    long: true,
    path: 'network',
    timeoutMs: 4_000,
    async run(world) {
      world.injected()
      world.network.lose(0.1)
      await world.pause(2_000)
      world.network.heal()
      world.healed()
    },
  },
  {
    name: 'delay',
    title: 'every byte 60 to 140 ms late for 1.5 s, each way',
    long: true,
    path: 'proxy',
    async run(world) {
      world.injected()
      world.proxy.delay = () => world.random.between(60, 140)
      await world.pause(1_500)
      world.proxy.delay = undefined
      world.healed()
    },
    check: (world) => (world.pool?.stats().closed.watchdog ? ['a slow path was taken for a dead one'] : []),
  },
  {
    name: 'cut-at-each-byte',
    title: 'the connection is cut after 1, 2, 3, … 48 bytes of a reply',
    servedWithinMs: 1_000,
    path: 'proxy',
    async run(world) {
      const { proxy } = world
      world.injected()
      for (let length = 1; length <= 48; length++) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, 1_000)
          proxy.mangle = (chunk, link) => {
            // The greeting passes, so that it is replies of callers that are cut.
            if (link.received < 300 || chunk.length < length) return [chunk]
            proxy.mangle = undefined
            clearTimeout(timer)
            setImmediate(() => {
              link.cut()
              resolve()
            })
            return [chunk.subarray(0, length)]
          }
        })
        await world.pause(15)
      }
      proxy.mangle = undefined
      world.healed()
    },
  },
  {
    name: 'garbage',
    title: 'garbage between replies, ten times',
    path: 'proxy',
    async run(world) {
      const { proxy, random } = world
      world.injected()
      for (let round = 0; round < 10; round++) {
        const garbage = Buffer.from(Array.from({ length: random.between(1, 20) }, () => random.between(0, 32)))
        proxy.mangle = (chunk, link) => {
          if (link.received < 300) return [chunk]
          proxy.mangle = undefined
          return [garbage, chunk]
        }
        await world.pause(40)
      }
      proxy.mangle = undefined
      world.healed()
    },
  },
  {
    name: 'duplicate-reply',
    title: 'a middle box sends some replies twice',
    long: true,
    path: 'proxy',
    mayMisdeliver: true,
    roles: commandLoad(40, ['echo']),
    async run(world) {
      const { proxy } = world
      world.injected()
      proxy.mangle = (chunk, link) => {
        if (link.received < 300) return [chunk]
        proxy.mangle = undefined
        return [chunk, chunk]
      }
      await world.pause(300)
      proxy.mangle = undefined
      world.healed()
      await world.pause(1_500)
    },
  },
  {
    name: 'withhold-reply',
    title: 'a middle box swallows some replies',
    path: 'proxy',
    mayMisdeliver: true,
    roles: commandLoad(40, ['echo']),
    async run(world) {
      const { proxy } = world
      world.injected()
      proxy.mangle = (chunk, link) => {
        if (link.received < 300) return [chunk]
        proxy.mangle = undefined
        return []
      }
      await world.pause(300)
      proxy.mangle = undefined
      world.healed()
      await world.pause(1_500)
    },
  },
  {
    name: 'refused-dials',
    title: 'connections cut and new ones reset for 800 ms',
    servedWithinMs: 1_000,
    path: 'proxy',
    async run(world) {
      const { proxy } = world
      world.injected()
      proxy.refusing = true
      for (const link of proxy.links) link.cut()
      await world.pause(800)
      proxy.refusing = false
      world.healed()
    },
  },
  {
    name: 'dead-addresses',
    title: 'connections killed; the name now leads to three dead addresses before the live one',
    path: 'network',
    hostName: 'redis.chaos.test',
    pool: { connectTimeoutMs: 1_000 },
    servedWithinMs: 1_000,
    async prepare(_server, network) {
      answerFor('redis.chaos.test', [network!.host])
    },
    cleanUp: stopAnswering,
    async run(world) {
      const addresses = world.network.moreAddresses(4)
      for (const dead of addresses.slice(0, 3)) world.network.dropTo(dead)
      answerFor('redis.chaos.test', addresses)
      world.injected()
      for (const type of ['normal', 'pubsub']) {
        await world.server.command('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes')
      }
      world.healed()
      await world.pause(1_500)
      world.network.heal()
    },
  },
  {
    name: 'slow-tls',
    title: 'TLS connections cut on a path that takes 600 ms each way',
    path: 'proxy',
    tls: true,
    long: true,
    timeoutMs: 10_000,
    pool: { connectTimeoutMs: 10_000 },
    // TLS, the greeting, the question whether data are loaded, and the command: a round trip of 1.2 s each.
    servedWithinMs: 6_000,
    async run(world) {
      world.injected()
      world.proxy.delay = () => 600
      for (const link of world.proxy.links) link.cut()
      world.healed()
      await served(world)
      world.proxy.delay = undefined
    },
  },
  {
    name: 'loading-then-silence',
    title: 'connections cut; the next ones are greeted, told LOADING three times, then nothing; later ones work',
    path: 'proxy',
    pool: { connectTimeoutMs: 1_500 },
    servedWithinMs: 2_500,
    async run(world) {
      const { proxy } = world
      const healthy = proxy.target
      let silent = 0
      const peer = await scriptedPeer(async (connection) => {
        await connection.handshake()
        for (let times = 0; times < 3; times++) {
          connection.write('-LOADING Redis is loading the dataset in memory\r\n')
          if (times < 2) await connection.readCommand()
        }
        silent++
      })
      try {
        world.injected()
        proxy.target = peer
        for (const link of proxy.links) link.cut()
        const limit = performance.now() + 1_000
        while (silent === 0 && performance.now() < limit) await world.pause(5)
        proxy.target = healthy
        world.healed()
        await served(world)
      } finally {
        await peer.stop()
      }
    },
  },
]

async function served(world: World): Promise<void> {
  const limit = performance.now() + 8_000
  while (!world.served() && performance.now() < limit) await world.pause(10)
}
