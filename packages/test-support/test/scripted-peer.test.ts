import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { leakCheckEachTest, RawClient, rawCommand, scriptedPeer } from '../src/index.js'

leakCheckEachTest({ beforeEach, afterEach })

const ended = (socket: Socket) => new Promise<void>((resolve) => socket.once('close', () => resolve()))

test('reads commands one by one however the client cuts them', async () => {
  await using peer = await scriptedPeer()
  const socket = connect(peer.port, peer.host)
  const connection = await peer.nextConnection()
  for (const byte of '*2\r\n$3\r\nGET\r\n$2\r\n\r\n\r\n*1\r\n$4\r\nPING\r\n') socket.write(byte)
  expect(await connection.readCommand()).toEqual(['GET', '\r\n'])
  expect(await connection.readCommand()).toEqual(['PING'])
  socket.destroy()
})

test('answers a handshake and hands over the first command after it', async () => {
  await using peer = await scriptedPeer(async (connection) => {
    const command = await connection.handshake()
    connection.write(`+${command.join(' ')}\r\n`)
  })
  const client = await RawClient.open(peer)
  expect(await client.send('HELLO', '3')).toEqual(['server', 'redis', 'version', '7.0.0', 'proto', 3])
  expect(await client.send('CLIENT', 'SETNAME', 'x')).toBe('OK')
  expect(await client.send('GET', 'k')).toBe('GET k')
  client.close()
})

test('delivers half replies, then the rest', async () => {
  await using peer = await scriptedPeer(async (connection) => {
    await connection.readCommand()
    await connection.writeInPieces('$5\r\nhello\r\n', 3)
  })
  expect(await rawCommand(peer, 'GET', 'k')).toBe('hello')
})

test('plays one script per connection, the last for all that follow', async () => {
  await using peer = await scriptedPeer(
    (connection) => connection.serve(() => '+first\r\n'),
    (connection) => connection.serve(() => '+later\r\n'),
  )
  expect(await rawCommand(peer, 'PING')).toBe('first')
  expect(await rawCommand(peer, 'PING')).toBe('later')
  expect(await rawCommand(peer, 'PING')).toBe('later')
})

test('reset() is seen as ECONNRESET, end() as an orderly end', async () => {
  await using peer = await scriptedPeer()
  const cut = connect(peer.port, peer.host)
  const first = await peer.nextConnection()
  const error = new Promise<NodeJS.ErrnoException>((resolve) => cut.once('error', resolve))
  first.reset()
  expect((await error).code).toBe('ECONNRESET')

  const closed = connect(peer.port, peer.host)
  const second = await peer.nextConnection()
  closed.resume()
  second.end()
  await ended(closed)
  expect(closed.errored).toBeNull()
})

test('stop() reports what a script threw', async () => {
  const peer = await scriptedPeer(() => {
    throw new Error('the script is wrong')
  })
  const socket = connect(peer.port, peer.host)
  socket.on('error', () => {})
  await peer.nextConnection()
  await expect(peer.stop()).rejects.toThrow('the script is wrong')
})
