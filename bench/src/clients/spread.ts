import type { BenchClient } from './types.js'

/** N clients behind one, taken in turn: what users write who want several connections without a pool. */
export function spread(clients: readonly BenchClient[]): BenchClient {
  let turn = 0
  const next = (): BenchClient => {
    if (++turn >= clients.length) turn = 0
    return clients[turn]!
  }
  return {
    get: (key) => next().get(key),
    set: (key, value) => next().set(key, value),
    getBuffer: (key) => next().getBuffer(key),
    setBuffer: (key, value) => next().setBuffer(key, value),
    mget: (keys) => next().mget(keys),
    lrange: (key) => next().lrange(key),
    hgetall: (key, expected) => next().hgetall(key, expected),
    pipelineGets: (keys, expected) => next().pipelineGets(keys, expected),
    transaction: (keys, value, count) => next().transaction(keys, value, count),
    script: (source, key, argument) => next().script(source, key, argument),
    dedicated: () => next().dedicated(),
    close: async () => {
      await Promise.all(clients.map((client) => client.close()))
    },
  }
}
