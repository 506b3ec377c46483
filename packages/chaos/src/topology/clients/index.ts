import type { OpenTopologyClient } from '../scenario.js'
import { cenoteTopology } from './cenote.js'
import { glideCluster } from './glide.js'
import { ioredisCluster, ioredisSentinel } from './ioredis.js'
import { nodeRedisCluster, nodeRedisSentinel } from './node-redis.js'

/** By topology: cenote, and its peers at their defaults. glide knows no sentinels. */
export const topologyClients: Readonly<Record<'cluster' | 'sentinel', Readonly<Record<string, OpenTopologyClient>>>> = {
  cluster: {
    cenote: cenoteTopology,
    ioredis: ioredisCluster('ioredis', {}),
    'ioredis, auto-pipelining': ioredisCluster('ioredis, auto-pipelining', { enableAutoPipelining: true }),
    'node-redis': nodeRedisCluster,
    glide: glideCluster,
  },
  sentinel: {
    cenote: cenoteTopology,
    ioredis: ioredisSentinel('ioredis', {}),
    'ioredis, detector': ioredisSentinel('ioredis, detector', { failoverDetector: true }),
    'node-redis': nodeRedisSentinel,
  },
}
