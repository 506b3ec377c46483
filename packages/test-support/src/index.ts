export { failover, hide, isolate, join, leave, promoted } from './cluster/changes.js'
export { ClusterNode, type NodeGates } from './cluster/cluster-node.js'
export { beginMove, known, type MigrateOptions, migrateSlot, moveSlots, type SlotMove } from './cluster/migrate.js'
export { RedisCluster } from './cluster/redis-cluster.js'
export { evenRanges, keySlot, SLOT_COUNT, type SlotRange, tagFor } from './cluster/slots.js'
export { type StartClusterOptions, startCluster, startNode } from './cluster/start-cluster.js'
export { ownersOf, readSlots, type SlotsRow } from './cluster/views.js'
export { findRedisServer } from './find-redis.js'
export { freePort } from './free-port.js'
export { guardFolder, guardGroup } from './guardian.js'
export { LeakWatch, leakCheckEachTest, watchLeaks } from './leaks.js'
export { encodeCommand, RawClient, type RawReply, RawReplyError, type RawTarget, rawCommand } from './raw-client.js'
export {
  type RedisExit,
  type RedisServer,
  runningServers,
  type StartRedisOptions,
  startRedis,
} from './redis-server.js'
export { encodePush, encodeReply, OK, type RespValue, Simple } from './scripted/resp.js'
export { ScriptedNode, scriptedNode, type ToldSlots } from './scripted/scripted-node.js'
export { PeerConnection, type PeerScript, ScriptedPeer, scriptedPeer } from './scripted/scripted-peer.js'
export { type Belief, ScriptedSentinel, scriptedSentinel } from './scripted/scripted-sentinel.js'
export { type Answer, ScriptedServer, type Session, SILENCE } from './scripted/scripted-server.js'
export { SentinelSet } from './sentinel/sentinel-set.js'
export { type StartSentinelsOptions, startSentinels } from './sentinel/start-sentinels.js'
export { type Passage, TcpGate } from './tcp-gate.js'
export { type TlsAuthority, type TlsCertificates, tlsAuthority, tlsCertificates } from './tls-certificates.js'
