import { createServer, type Server, Socket } from 'node:net'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startRedis, watchLeaks } from '../src/index.js'

let server: Server
let port = 0
beforeAll(async () => {
  server = createServer((socket) => socket.on('error', () => {}))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as { port: number }).port
})
afterAll(() => new Promise<void>((resolve) => server.close(() => resolve())))

test('sees a socket that is still open, even one that does not hold the event loop', async () => {
  const watch = watchLeaks()
  const socket = new Socket().connect(port, '127.0.0.1')
  await new Promise((resolve) => socket.once('connect', resolve))
  socket.unref()
  await expect(watch.expectNone(20)).rejects.toThrow(new RegExp(`socket to port ${port}.*leaks\\.test\\.ts`))
  socket.destroy()
})

test('waits for a socket that is closing', async () => {
  const watch = watchLeaks()
  const socket = new Socket().connect(port, '127.0.0.1')
  socket.once('connect', () => setImmediate(() => socket.destroy()))
  await watch.expectNone()
})

test('sees timers, also those that do not hold the event loop, and not those that fired or were cleared', async () => {
  const watch = watchLeaks()
  const timer = setTimeout(() => {}, 60_000).unref()
  const interval = setInterval(() => {}, 60_000)
  clearTimeout(setTimeout(() => {}, 60_000))
  await promisify(setTimeout)(1)
  await expect(watch.expectNone(20)).rejects.toThrow(/(timer, .*leaks\.test\.ts\S*\s*){2}/)
  clearTimeout(timer)
  clearInterval(interval)
})

test('sees a server that nobody stopped', async () => {
  const watch = watchLeaks()
  const redis = await startRedis()
  await expect(watch.expectNone(20)).rejects.toThrow(`redis-server on port ${redis.port}`)
  await redis.stop()
})

test('sees timers made through a function that was taken before it began', async () => {
  const taken = globalThis.setTimeout
  const watch = watchLeaks()
  const timer = taken(() => {}, 60_000)
  await expect(watch.expectNone(20)).rejects.toThrow(/timer, .*leaks\.test\.ts/)
  clearTimeout(timer)
})
