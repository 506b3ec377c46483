import type { PeerScript } from '@cenote/test-support'

export { blockLoop, clients, many, outcomes, pause, ready, until } from '../pool/support.js'

/** Stands still without turning the processor: what a stopped or suspended process looks like to itself. */
export function freeze(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
}

/** Answers the handshake and whatever else a client asks first, everything further by `reply`; undefined: silence. */
export function serving(reply: (command: string[]) => string | undefined): PeerScript {
  return (connection) =>
    connection.serve(([name = '', ...args]) => {
      if (/^hello$/i.test(name)) return HELLO
      const said = reply([name.toLowerCase(), ...args])
      return said === undefined && /^set/i.test(args[0] ?? '') ? '+OK\r\n' : said
    })
}

export const HELLO = '%3\r\n$6\r\nserver\r\n$5\r\nredis\r\n$2\r\nid\r\n:7\r\n$4\r\nrole\r\n$6\r\nmaster\r\n'

/** A loop that keeps the server busy for so long, ms; Redis runs nothing else meanwhile. */
export const BUSY_SCRIPT =
  "local function now() local t = redis.call('TIME') return t[1] * 1000 + t[2] / 1000 end " +
  'local stop = now() + tonumber(ARGV[1]) while now() < stop do end return 1'

/** Uncaught exceptions while `run` runs, instead of the test's end. */
export async function uncaughtDuring(run: () => Promise<void>): Promise<unknown[]> {
  const caught: unknown[] = []
  const listeners = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', (error) => caught.push(error))
  try {
    await run()
    await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setImmediate(resolve))
  } finally {
    process.removeAllListeners('uncaughtException')
    for (const listener of listeners) process.on('uncaughtException', listener)
  }
  return caught
}
