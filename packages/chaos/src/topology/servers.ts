import {
  evenRanges,
  keySlot,
  type RawReply,
  type RedisCluster,
  type RedisServer,
  type SentinelSet,
  tagFor,
} from '@cenote/test-support'
import { Keys } from '../load/kind.js'

export type Topology = 'cluster' | 'sentinel'

/** What the load and the judgement need of the servers, whatever they are. */
export interface Servers {
  readonly topology: Topology
  readonly keys: Keys
  /** Index of the group (a shard of a cluster, a name of sentinels) that a shard of the load lies in. */
  groupOf(shard: number): number
  readonly groups: number
  /** Every data server there is now. */
  data(): readonly RedisServer[]
  /** At which they are found by others. */
  ports(): ReadonlySet<number>
  /** Servers that may own the keys of a group. */
  members(group: number): readonly RedisServer[]
  /** Asks whoever owns the key now. */
  ask(key: string, ...command: string[]): Promise<RawReply>
  /** Whether the groups are led by whom they were led by at the start; a busy machine has servers suspect each other. */
  isSteady(groups: readonly number[]): Promise<boolean>
  stop(): Promise<void>
}

export function clusterServers(cluster: RedisCluster, tagsPerPrimary: number): Servers {
  const ranges = evenRanges(cluster.primaries.length)
  const tags: string[] = []
  const slots: number[] = []
  // The tags of all primaries in turn: callers spread over shards by their index.
  for (let n = 0; n < tagsPerPrimary; n++) {
    for (const [first, last] of ranges) {
      const tag = tagFor((slot) => slot >= first && slot <= last, n)
      tags.push(tag)
      slots.push(keySlot(tag))
    }
  }
  const { length } = ranges
  const primaries = [...cluster.primaries]
  const members = (group: number) => {
    const primary = cluster.primaries[group]!
    return cluster.nodes
      .filter((_, i) => i % length === group || cluster.nodes[i] === primary)
      .map(({ server }) => server)
  }
  return {
    topology: 'cluster',
    keys: new Keys(tags, true),
    groupOf: (shard) => shard % length,
    groups: length,
    data: () => cluster.nodes.map(({ server }) => server),
    ports: () => new Set(cluster.nodes.flatMap(({ server, port }) => [server.port, port])),
    members,
    ask: (key, ...command) => cluster.ask(key, ...command),
    isSteady: async (groups) => {
      const roles = await Promise.all(groups.map((group) => primaries[group]!.role().catch(() => 'down')))
      return roles.every((role) => role === 'primary')
    },
    stop: () => cluster.stop(),
  }
}

/** @param name the primary that the client is given; others have no load */
export function sentinelServers(set: SentinelSet, name: string): Servers {
  return {
    topology: 'sentinel',
    keys: new Keys(),
    groupOf: () => 0,
    groups: 1,
    data: () => set.group(name),
    ports: () => new Set(set.group(name).map(({ port }) => port)),
    members: () => set.group(name),
    ask: async (_key, ...command) => (await set.primary(name)).command(...command),
    isSteady: async (groups) => groups.length === 0 || (await set.primary(name)) === set.group(name)[0],
    stop: () => set.stop(),
  }
}
