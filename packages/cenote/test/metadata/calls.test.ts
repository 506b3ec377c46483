import { RawClient, startRedis } from '@cenote/test-support'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readServer } from '../../generator/server.js'
import {
  blockTimeoutMs,
  changesConnection,
  isBlockingCall,
  isReadOnlyCall,
  knownCommands,
  lookupCommand,
} from '../../src/metadata/lookup.js'
import { sampleCalls } from './sample-calls.js'

const parts = (call: string): [ReturnType<typeof lookupCommand>, string[]] => {
  const [name = '', ...args] = call.split(' ')
  return [lookupCommand(name), args]
}
const blocks = (call: string) => isBlockingCall(...parts(call))
const timeout = (call: string) => blockTimeoutMs(...parts(call))
const reads = (call: string) => isReadOnlyCall(...parts(call))

let server: Awaited<ReturnType<typeof startRedis>>

beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())

const BLOCKING = [
  'blpop a b 0',
  'brpop a 0',
  'brpoplpush a b 0',
  'blmove a b left right 0',
  'blmpop 0 2 a b left',
  'bzpopmin a 0',
  'bzpopmax a b 0',
  'bzmpop 0 1 a min count 2',
  'xread block 0 streams a $',
  'XREAD COUNT 1 BLOCK 0 STREAMS a $',
  'wait 1 0',
]
const NOT_BLOCKING = [
  'xread streams block 0',
  'xread count 1 streams a 0',
  'lpop a',
  'lmpop 1 a left',
  'zpopmin a',
  'get a',
  'ping',
]

describe('blocking calls', () => {
  it.each(BLOCKING)('%s blocks, and so says the server', async (call) => {
    expect(blocks(call)).toBe(true)
    expect(timeout(call)).toBe(Number.POSITIVE_INFINITY)
    const [client, observer] = [await RawClient.open(server.target), await RawClient.open(server.target)]
    try {
      const id = String(await client.send('CLIENT', 'ID'))
      const unblocked = client.send(...call.split(' '))
      unblocked.catch(() => undefined)
      // Blocked clients count in INFO; CLIENT UNBLOCK is 1 only for one that blocks.
      while ((await observer.send('CLIENT', 'UNBLOCK', id)) !== 1) await new Promise(setImmediate)
      await unblocked
    } finally {
      client.close()
      observer.close()
    }
  })

  it.each(NOT_BLOCKING)('%s does not block, and so says the server', async (call) => {
    expect(blocks(call)).toBe(false)
    expect(timeout(call)).toBeUndefined()
    const client = await RawClient.open(server.target)
    try {
      await client.send(...call.split(' '))
    } finally {
      client.close()
    }
  })

  it('are told for every command the server flags as blocking, with the place of its time', async () => {
    const { commands } = await readServer()
    for (const facts of commands.filter((command) => command.flags.includes('blocking'))) {
      for (const { command, args } of sampleCalls(facts, 20, 3)) {
        const expected = !args.includes('STREAMS') || args.slice(0, args.indexOf('STREAMS')).includes('BLOCK')
        const call = `${command} ${args.join(' ')}`
        expect(isBlockingCall(lookupCommand(command), args), call).toBe(expected)
        const ms = blockTimeoutMs(lookupCommand(command), args)
        if (!expected) expect(ms, call).toBeUndefined()
        else if (args.includes('BLOCK')) expect(ms, call).toBe(Number(args[args.indexOf('BLOCK') + 1]))
        else expect(ms, call).toBe(1000)
      }
    }
  })

  it.each([
    ['blpop a b 1.5', 1500],
    ['blmpop 2 1 a left', 2000],
    ['brpoplpush a b 0.01', 10],
    ['xreadgroup group g c block 250 streams a >', 250],
    ['xreadgroup group block streams block 7 streams a >', 7],
    ['wait 1 300', 300],
    ['waitaof 1 0 400', 400],
    ['blmovem a b left right 2 count 5 obo', 2000],
    ['blpop a -1', 0],
    ['blpop a soon', 0],
  ])('%s may take %d ms', (call, expected) => {
    expect(timeout(call)).toBe(expected)
  })
})

describe('read-only calls', () => {
  it('change nothing in the server, for calls of every command that it lets run', async () => {
    const { commands } = await readServer()
    const client = await RawClient.open(server.target)
    const changes = async () =>
      /rdb_changes_since_last_save:(\d+)/.exec(String(await client.send('INFO', 'persistence')))![1]
    // These end or occupy the connection, or take the server's own time.
    const unfit = /^(subscribe|psubscribe|ssubscribe|monitor|sync|psync|shutdown|debug|xread|wait)/
    const wrong: string[] = []
    let tried = 0
    try {
      await client.send('MSET', 'key1', 'a', 'key2', 'b')
      for (const facts of commands.flatMap((command) => [command, ...command.subcommands])) {
        for (const { command, args } of sampleCalls(facts, 4, 11)) {
          if (unfit.test(command) || !isReadOnlyCall(lookupCommand(command), args)) continue
          const before = await changes()
          await client.send(command, ...args).catch(() => undefined)
          tried++
          if ((await changes()) !== before) wrong.push(`${command} ${args.join(' ')}`)
        }
      }
    } finally {
      client.close()
    }
    expect(wrong).toEqual([])
    expect(tried).toBeGreaterThan(400)
  })

  it('are no calls of a command the server flags as a write, but for those that only read by their arguments', () => {
    for (const spec of knownCommands().values()) {
      const args = ['value', 'value']
      if ((spec.flags & 1) !== 0)
        expect(isReadOnlyCall(spec, args), spec.name).toBe(/^(sort|georadius\w*)$/.test(spec.name))
    }
  })

  it.each([
    'get a',
    'sort a by b',
    'georadius a 1 2 3 km withdist',
    'getex a',
    'bitfield a get u8 0 get u8 8',
    'config get x',
    'CONFIG GET x',
    'script exists abc',
    'script load return',
    'object encoding a',
    'xinfo stream a',
    'memory usage a',
    'acl log 5',
    'command',
    'ping',
    'eval_ro script 0',
    'json.get a',
    'ts.range a - +',
    'hgetall a',
  ])('%s is one', (call) => {
    expect(reads(call)).toBe(true)
  })

  it.each([
    'set a b',
    'sort a store b',
    'georadius a 1 2 3 km storedist b',
    'getex a persist',
    'bitfield a get u8 0 incrby u8 0 1',
    'config set x y',
    'config',
    'config unknown',
    'script flush',
    'acl log reset',
    'xreadgroup group g c streams a >',
    'publish a b',
    'eval script 0',
    'wait 1 0',
    'watch a',
    'multi',
    'exec',
    'no.such.command a',
    'ft.cursor read index 5',
    'hgetex a fields 1 f',
  ])('%s is none', (call) => {
    expect(reads(call)).toBe(false)
  })

  it('include a script that declares itself free of writes', () => {
    const reading = (script: string) => isReadOnlyCall(lookupCommand('eval'), [script, 0])
    expect(reading('#!lua flags=no-writes\nreturn 1')).toBe(true)
    expect(reading('#!lua flags=allow-stale,no-writes\nreturn 1')).toBe(true)
    expect(reading('#!lua flags=allow-stale\nreturn "no-writes"')).toBe(false)
    expect(reading('return "#!lua flags=no-writes"')).toBe(false)
  })
})

describe('connection state', () => {
  it.each([
    'select 1',
    'client reply off',
    'CLIENT TRACKING ON',
    'watch a',
    'subscribe a',
    'punsubscribe',
    'himport prepare f a',
  ])('%s changes it', (call) => {
    expect(changesConnection(...parts(call))).toBe(true)
  })

  it.each(['client list', 'client kill x', 'get a', 'publish a b', 'config set a b', 'no.such.command'])(
    '%s does not',
    (call) => {
      expect(changesConnection(...parts(call))).toBe(false)
    },
  )
})
