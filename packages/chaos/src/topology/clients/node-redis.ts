import { createCluster, createSentinel } from 'redis'
import type { ChaosClient } from '../../client.js'
import type { OpenTopologyClient, TopologyAddress } from '../scenario.js'
import { firstKey, onlyReads, Spares } from './first-key.js'

const ignore = (): undefined => undefined

export const nodeRedisCluster: OpenTopologyClient = async (address: TopologyAddress) => {
  const { seeds, password, ca, readFrom } = address
  const client = createCluster({
    rootNodes: seeds.map(({ host, port }) => ({ socket: { host, port } })),
    useReplicas: readFrom === 'replicas',
    defaults: { password, ...(ca === undefined ? {} : { socket: { tls: true as const, ca } }) },
  })
  client.on('error', ignore)
  await client.connect()
  const spares = new Spares(
    async () => {
      const spare = client.duplicate()
      spare.on('error', ignore)
      await spare.connect()
      return spare
    },
    (spare) => spare.destroy(),
  )
  const result: ChaosClient = {
    name: 'node-redis',
    call: (...command) => client.sendCommand(firstKey(command), onlyReads(command), command),
    pipeline: (commands) => {
      const multi = client.multi(firstKey(commands[0]!))
      for (const command of commands) multi.addCommand(firstKey(command), false, [...command])
      return multi.execAsPipeline() as unknown as Promise<unknown[]>
    },
    transaction: (commands) => {
      const multi = client.multi(firstKey(commands[0]!))
      for (const command of commands) multi.addCommand(firstKey(command), false, [...command])
      return multi.exec() as unknown as Promise<unknown[]>
    },
    blockingPop: (key, seconds) =>
      spares.use(async (spare) => {
        const popped = await spare.blPop(key, seconds)
        return popped === null ? null : [popped.key, popped.element]
      }),
    subscribe: (channels, listener) =>
      client.subscribe([...channels], (message, channel) => listener.onMessage(channel, message)),
    ssubscribe: async (channels, listener) => {
      for (const channel of channels) {
        await client.sSubscribe(channel, (message, from) => listener.onMessage(from, message))
      }
    },
    close: async () => {
      spares.close()
      client.destroy()
    },
  }
  return result
}

export const nodeRedisSentinel: OpenTopologyClient = async (address: TopologyAddress) => {
  const { seeds, name, password, sentinelPassword } = address
  const client = createSentinel({
    name,
    sentinelRootNodes: [...seeds],
    nodeClientOptions: { password },
    sentinelClientOptions: { password: sentinelPassword },
  })
  client.on('error', ignore)
  await client.connect()
  const spares = new Spares(
    async () => {
      const spare = client.duplicate()
      spare.on('error', ignore)
      await spare.connect()
      return spare
    },
    (spare) => void spare.destroy().catch(ignore),
  )
  const result: ChaosClient = {
    name: 'node-redis',
    call: (...command) => client.sendCommand(false, command),
    pipeline: (commands) => {
      const multi = client.multi()
      for (const command of commands) multi.addCommand(false, [...command])
      return multi.execAsPipeline() as unknown as Promise<unknown[]>
    },
    transaction: (commands) => {
      const multi = client.multi()
      for (const command of commands) multi.addCommand(false, [...command])
      return multi.exec() as unknown as Promise<unknown[]>
    },
    blockingPop: (key, seconds) =>
      spares.use(async (spare) => {
        const popped = await spare.blPop(key, seconds)
        return popped === null ? null : [popped.key, popped.element]
      }),
    subscribe: async (channels, listener) => {
      await client.subscribe([...channels], (message, channel) => listener.onMessage(channel, message))
    },
    close: async () => {
      spares.close()
      await client.destroy()
    },
  }
  return result
}
