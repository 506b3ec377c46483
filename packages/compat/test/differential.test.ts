import { type RedisServer, startRedis } from '@cenote/test-support'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runDifferential } from '../src/differential/run.js'

/** `npm run compat -- --differential` runs ten times as many. */
const COMMANDS = 2_000

let server: RedisServer
beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())

describe('generated commands', { timeout: 60_000 }, () => {
  test.each([2, 3] as const)('have the replies, errors and effects of ioredis over RESP%i', async (protocol) => {
    const result = await runDifferential({ port: server.port, protocol, commands: COMMANDS, seed: 42 })
    expect(result.differences).toEqual([])
    expect(result.commands).toBeGreaterThanOrEqual(COMMANDS)
    expect(result.names.size).toBeGreaterThan(140)
  })

  test('prefix the same arguments', async () => {
    const options = { port: server.port, protocol: 3, commands: COMMANDS, seed: 43 } as const
    expect((await runDifferential({ ...options, clientOptions: { keyPrefix: 'p:' } })).differences).toEqual([])
  })

  test('have the same replies, errors and effects through cenote/ioredis', async () => {
    const options = { port: server.port, protocol: 3, commands: COMMANDS, seed: 44 } as const
    expect((await runDifferential({ ...options, client: 'cenote/ioredis' })).differences).toEqual([])
  })
})
