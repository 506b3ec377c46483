import { ClusterBatch, GlideClusterClient, GlideClusterClientConfiguration } from '@valkey/valkey-glide'
import type { ChaosClient, CommandLine, SubscriptionListener } from '../../client.js'
import type { OpenTopologyClient, TopologyAddress } from '../scenario.js'
import { Spares } from './first-key.js'

type Mode = GlideClusterClientConfiguration.PubSubChannelModes

export const glideCluster: OpenTopologyClient = async (address: TopologyAddress) => {
  const { seeds, password, ca, readFrom } = address
  const open = (subscription?: { mode: Mode; channels: readonly string[]; listener: SubscriptionListener }) =>
    GlideClusterClient.createClient({
      addresses: [...seeds],
      ...(password === undefined ? {} : { credentials: { password } }),
      useTLS: ca !== undefined,
      readFrom: readFrom === 'replicas' ? 'preferReplica' : 'primary',
      ...(ca === undefined ? {} : { advancedConfiguration: { tlsAdvancedConfiguration: { rootCertificates: ca } } }),
      ...(subscription === undefined
        ? {}
        : {
            pubsubSubscriptions: {
              channelsAndPatterns: { [subscription.mode]: new Set(subscription.channels) },
              callback: ({ channel, message }: { channel: unknown; message: unknown }) =>
                subscription.listener.onMessage(String(channel), String(message)),
            },
          }),
    })
  const client = await open()
  const opened = [client]
  const spares = new Spares(open, (spare) => spare.close())
  const run = (commands: readonly CommandLine[], atomic: boolean) => {
    const batch = new ClusterBatch(atomic)
    for (const command of commands) batch.customCommand([...command])
    return client.exec(batch, false)
  }
  const subscribe = (mode: Mode) => async (channels: readonly string[], listener: SubscriptionListener) => {
    opened.push(await open({ mode, channels, listener }))
  }
  const result: ChaosClient = {
    name: 'glide',
    call: (...command) => client.customCommand([...command]),
    pipeline: async (commands) => (await run(commands, false)) ?? [],
    transaction: (commands) => run(commands, true),
    blockingPop: (key, seconds) => spares.use((spare) => spare.blpop([key], seconds)),
    subscribe: subscribe(GlideClusterClientConfiguration.PubSubChannelModes.Exact),
    ssubscribe: subscribe(GlideClusterClientConfiguration.PubSubChannelModes.Sharded),
    close: async () => {
      spares.close()
      for (const one of opened) one.close()
    },
  }
  return result
}
