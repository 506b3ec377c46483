import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

function canListen(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, host, () => probe.close(() => resolve(true)))
  })
}

/**
 * A port on which nothing listens. Taken from below the kernel's range for outgoing connections: inside it, a client
 * that keeps dialing the port of a stopped server can be given that very port as its own source, connect to itself,
 * and keep the server from coming back.
 */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = randomInt(10_000, 32_000)
    if (await canListen(port, host)) return port
  }
  throw new Error(`No free port found on ${host} between 10000 and 32000`)
}
