import net from 'node:net'
import type { LoopClock } from '../connection/clock.js'
import type { Endpoint } from '../connection/socket.js'

/** Whether a server answers a PING in plain text: with a reply, or with an error that is one of RESP. */
export function speaksPlainly(endpoint: Endpoint, clock: LoopClock, timeoutMs: number): Promise<boolean> {
  const { path, host, address, port } = endpoint
  return new Promise((resolve) => {
    const socket = net.connect(path === undefined ? { host: address ?? host, port } : { path })
    const done = (plainly: boolean): void => {
      alarm.cancel()
      socket.destroy()
      resolve(plainly)
    }
    const alarm = clock.alarm(timeoutMs, () => done(false))
    socket.on('connect', () => socket.write('*1\r\n$4\r\nPING\r\n'))
    socket.on('data', (bytes: Buffer) => done(/^[+-]/.test(bytes.toString('latin1'))))
    socket.on('error', () => done(false))
    socket.on('close', () => done(false))
  })
}
