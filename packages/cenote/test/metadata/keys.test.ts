import { RawClient, RawReplyError, startRedis } from '@cenote/test-support'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CommandFacts } from '../../generator/facts.js'
import { readServer } from '../../generator/server.js'
import { firstKey, keyPositions, lookupCommand, routingKey } from '../../src/metadata/lookup.js'
import { sampleCalls } from './sample-calls.js'

let commands: CommandFacts[]
let server: Awaited<ReturnType<typeof startRedis>>
let client: RawClient

beforeAll(async () => {
  commands = (await readServer()).commands
  server = await startRedis()
  client = await RawClient.open(server.target)
})

afterAll(async () => {
  client.close()
  await server.stop()
})

/** What the server says the keys of a call are: undefined when it calls the call malformed. */
async function serverKeys(command: string, args: readonly string[]): Promise<string[] | undefined> {
  try {
    return (await client.send('COMMAND', 'GETKEYS', command, ...args)) as string[]
  } catch (error) {
    if (!(error instanceof RawReplyError)) throw error
    if (/no key arguments/i.test(error.message)) return []
    return undefined
  }
}

const ours = (command: string, args: readonly string[]): string[] =>
  keyPositions(lookupCommand(command), args).map((at) => args[at]!)

describe('key positions', () => {
  it('are those the server finds, for calls of every command written from its documentation', async () => {
    const wrong: string[] = []
    let compared = 0
    let withKeys = 0
    for (const facts of commands.flatMap((command) => [command, ...command.subcommands])) {
      for (const { command, args } of sampleCalls(facts, 12, 7)) {
        const expected = await serverKeys(command, args)
        if (expected === undefined) continue
        compared++
        if (expected.length > 0) withKeys++
        const found = ours(command, args)
        const first = firstKey(lookupCommand(command), args)
        const call = `${command} ${args.join(' ')}`
        if (found.toSorted().join() !== expected.toSorted().join())
          wrong.push(`${call}: ${found} instead of ${expected}`)
        if (first !== found[0]) wrong.push(`${call}: first key ${first} instead of ${found[0]}`)
      }
    }
    expect(wrong).toEqual([])
    expect(withKeys).toBeGreaterThan(1000)
    expect(compared).toBeGreaterThan(withKeys)
  })

  it.each([
    'sort key1 by store get store limit 0 1 store key2',
    'SORT key1 STORE key2 STORE key3',
    'SORT_RO key1 BY key9',
    'georadius key1 1 2 3 km store key2 storedist key3',
    'georadiusbymember key1 member 3 km storedist key2',
    'migrate host 1 key1 0 10 copy replace',
    'eval script 2 key1 key2 arg',
    'EVALSHA_RO sha 1 key1 arg',
    'fcall function 0 arg',
    'xread count 2 block 0 STREAMS streams block 0 0',
    'xreadgroup group streams block streams key1 key2 > >',
    'zunionstore key1 2 key2 key3 weights 1 2',
    'bitop and key1 key2 key3',
    'object encoding key1',
    'memory usage key1 samples 5',
    'xinfo stream key1 full',
    'xgroup create key1 group $',
    'lmpop 2 key1 key2 left',
    'bzmpop 0 2 key1 key2 min',
    'mset key1 a key2 b',
    'blpop key1 key2 0',
    'lcs key1 key2',
  ])('are those the server finds for %s', async (call) => {
    const [command = '', ...args] = call.split(' ')
    expect(ours(command, args).toSorted()).toEqual((await serverKeys(command, args))?.toSorted())
  })

  it('of MIGRATE with KEYS are those behind it, even when the password is the word KEYS', () => {
    const args = ['host', '1', '', '0', '10', 'AUTH2', 'user', 'KEYS', 'KEYS', 'a', 'b']
    expect(keyPositions(lookupCommand('migrate'), args)).toEqual([9, 10])
    expect(firstKey(lookupCommand('migrate'), args)).toBe('a')
  })

  it('of newer servers and of modules come from the specification files', () => {
    const positions = (call: string) => keyPositions(lookupCommand(call.split(' ')[0]!), call.split(' ').slice(1))
    expect(positions('HEXPIRE key 10 FIELDS 1 f')).toEqual([0])
    expect(positions('MSETEX 2 a 1 b 2 EX 5')).toEqual([1, 3])
    expect(positions('SUNIONCARD 2 a b LIMIT 3')).toEqual([1, 2])
    expect(positions('HIMPORT SET key fields v1')).toEqual([1])
    expect(positions('JSON.MSET a $ 1 b $ 2')).toEqual([0, 3])
    expect(positions('JSON.MGET a b $')).toEqual([0, 1])
    expect(positions('TDIGEST.MERGE to 2 a b OVERRIDE')).toEqual([0, 2, 3])
    expect(positions('TS.CREATERULE a b AGGREGATION avg 60')).toEqual([0, 1])
    expect(positions('FT.SEARCH index query')).toEqual([])
  })

  it('are none for a malformed call instead of indices that do not exist', () => {
    expect(keyPositions(lookupCommand('eval'), ['script', '5', 'a'])).toEqual([])
    expect(keyPositions(lookupCommand('eval'), ['script', 'x', 'a'])).toEqual([])
    expect(keyPositions(lookupCommand('get'), [])).toEqual([])
    expect(keyPositions(lookupCommand('xread'), ['COUNT', '1'])).toEqual([])
    expect(keyPositions(lookupCommand('object'), [])).toEqual([])
    expect(firstKey(lookupCommand('eval'), ['script', '0', 'a'])).toBeUndefined()
  })

  it('take keywords and counts in Buffers and numbers too', () => {
    const streams = [Buffer.from('streams'), 'a', 'b', '0', '0']
    expect(keyPositions(lookupCommand('xread'), streams)).toEqual([1, 2])
    expect(keyPositions(lookupCommand('eval'), ['script', 2, 'a', 'b'])).toEqual([2, 3])
    expect(keyPositions(lookupCommand('eval'), ['script', Buffer.from('1'), 'a', 'b'])).toEqual([2])
  })

  it('leave channels alone, which still decide the lane', () => {
    expect(keyPositions(lookupCommand('spublish'), ['channel', 'message'])).toEqual([])
    expect(routingKey(lookupCommand('spublish'), ['channel', 'message'])).toBe('channel')
    expect(routingKey(lookupCommand('publish'), ['channel', 'message'])).toBe('channel')
    expect(routingKey(lookupCommand('pubsub'), ['NUMSUB', 'channel'])).toBeUndefined()
    expect(routingKey(lookupCommand('set'), ['key', 'value'])).toBe('key')
  })
})
