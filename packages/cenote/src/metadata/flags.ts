/**
 * Bits of `CommandSpec.flags`. Those of the first block are the server's own (`COMMAND`); the second block is derived
 * by the generator. All fit in 31 bits, so a test is one integer operation.
 */
export const FLAG = {
  WRITE: 1 << 0,
  /** The server's own `readonly` flag: may be sent to a replica. For "may be sent again" use `isReadOnlyCall`. */
  READONLY: 1 << 1,
  DENYOOM: 1 << 2,
  ADMIN: 1 << 3,
  /** The server's `pubsub` flag: PUBLISH and PUBSUB carry it too. For the commands that subscribe use `SUBSCRIBE`. */
  PUBSUB: 1 << 4,
  NOSCRIPT: 1 << 5,
  /** May block; whether a given call does is told by `isBlockingCall`. */
  BLOCKING: 1 << 6,
  LOADING: 1 << 7,
  STALE: 1 << 8,
  FAST: 1 << 9,
  NO_AUTH: 1 << 10,
  MOVABLE_KEYS: 1 << 11,
  MAY_REPLICATE: 1 << 12,
  NO_MULTI: 1 << 13,
  ALLOW_BUSY: 1 << 14,
  ASKING: 1 << 15,
  NO_MANDATORY_KEYS: 1 << 16,
  SKIP_MONITOR: 1 << 17,
  SKIP_SLOWLOG: 1 << 18,
  NO_ASYNC_LOADING: 1 << 19,
  MODULE: 1 << 20,

  /** Changes what later commands on the same connection do or see, so it must not run on a shared connection. */
  CONNECTION_STATE: 1 << 21,
  /** Enters or leaves a subscription (SUBSCRIBE, PUNSUBSCRIBE, SSUBSCRIBE, ...). */
  SUBSCRIBE: 1 << 22,
  /** No flag of the server says so, yet running it twice changes nothing (PING, INFO, CONFIG GET, ...). */
  SAFE: 1 << 23,
  /** Flags or keys depend on the arguments: a container, or a command with a STORE-like option. */
  ARGUMENT_DEPENDENT: 1 << 24,
  DEPRECATED: 1 << 25,
} as const

export type FlagName = keyof typeof FLAG
