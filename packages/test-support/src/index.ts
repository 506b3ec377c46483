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
export { PeerConnection, type PeerScript, ScriptedPeer, scriptedPeer } from './scripted-peer.js'
export { type TlsCertificates, tlsCertificates } from './tls-certificates.js'
