import { readFile } from 'node:fs/promises'
import { startRedis } from '@cenote/test-support'
import { Redis } from 'ioredis'
import { expect, it } from 'vitest'
import type { CommandFacts } from '../../generator/facts.js'
import type { ReplyData } from '../../generator/replies.js'
import { readServer } from '../../generator/server.js'
import { isOfType } from './reply-type.js'
import { sampleCalls } from './sample-calls.js'

const data = JSON.parse(await readFile(new URL('../../generator/replies.json', import.meta.url), 'utf8')) as ReplyData
const types = new Map(
  Object.entries(data.byType).flatMap(([type, names]) => names.split(' ').map((name) => [name, type] as const)),
)

/** The declared type of one call: by its tokens where they decide, else any that the table has for the command. */
function declared(name: string, args: readonly string[]): string | undefined {
  const rules = data.byForm.rules[name] ?? []
  const words = new Set(args)
  const decided = rules.find(([pattern]) => pattern.split('|').some((word) => words.has(word)))
  const byDefault = types.get(name) ?? rules.find(([pattern]) => pattern === '*')?.[1]
  if (decided) return decided[1]
  const open = rules.filter(([pattern]) => !/^[A-Z|]+$/.test(pattern)).map(([, type]) => type)
  return byDefault === undefined ? undefined : [byDefault, ...open].join(' | ')
}

/** They end the connection, take part in replication, stop or reconfigure the server, or need a second connection. */
const UNFIT =
  /^(shutdown|pfselftest|debug|monitor|p?sync|replicaof|slaveof|failover|quit|reset|multi|exec|discard|migrate|swapdb|select|auth|hello|save|bg\w+|wait|[ps]?(un)?subscribe|client\|(kill|pause|reply|unblock|caching|tracking)|cluster\|.*|acl\|(setuser|deluser|load|save)|config\|(set|rewrite)|module\|.*|latency\|(reset|doctor))$/

/** Calls that random values never make valid, by what the keys hold. */
const HAND_WRITTEN: [group: string, calls: string[]][] = [
  ['string', ['bitop AND key9 key1 key2', 'acl DRYRUN default GET key1', 'command GETKEYS get key1']],
  [
    'string',
    ['script LOAD return', 'config GET save maxmemory', 'set key1 v NX', 'set key1 v GET', 'set key9 v EX 5 NX'],
  ],
  ['string', ['command GETKEYSANDFLAGS get key1', 'lcs key1 key2 IDX MINMATCHLEN 1']],
  ['list', ['sort key1 ALPHA', 'sort key1 ALPHA GET none_*', 'sort key1 ALPHA STORE key9', 'sort_ro key1 ALPHA GET #']],
  ['sorted-set', ['zrange key1 0 -1', 'zrange key1 0 -1 WITHSCORES', 'zrange key1 0 9 BYSCORE LIMIT 0 1']],
  [
    'sorted-set',
    ['zrangebylex key1 - +', 'zrevrangebylex key1 + -', 'zlexcount key1 - +', 'zrangestore key9 key1 0 1'],
  ],
  ['sorted-set', ['zadd key1 INCR 1 value1', 'zadd key1 NX INCR 1 value1', 'zremrangebylex key1 - +']],
  ['stream', ['xrange key1 - +', 'xrevrange key1 + - COUNT 1', 'xread COUNT 1 STREAMS key1 0', 'xread STREAMS key1 9']],
  ['stream', ['xreadgroup GROUP value1 c STREAMS key1 >', 'xpending key1 value1', 'xpending key1 value1 - + 9']],
  ['stream', ['xclaim key1 value1 d 0 1-1', 'xclaim key1 value1 d 0 1-1 JUSTID', 'xautoclaim key1 value1 e 0 0']],
  ['stream', ['xautoclaim key1 value1 e 0 0 COUNT 1 JUSTID', 'xack key1 value1 1-1', 'xtrim key1 MAXLEN 2']],
  [
    'stream',
    ['xgroup CREATE key1 h 0', 'xgroup SETID key1 h 0', 'xdel key1 3-1', 'xsetid key1 9-1', 'xadd key1 * f v'],
  ],
  ['stream', ['xinfo STREAM key1 FULL', 'xadd key9 NOMKSTREAM * f v']],
  [
    'geo',
    ['geosearch key1 FROMMEMBER value1 BYRADIUS 9 KM', 'geosearch key1 FROMMEMBER value1 BYRADIUS 9 KM WITHDIST'],
  ],
]

async function fill(client: Redis, group: string): Promise<void> {
  const pipeline = client.pipeline().flushall()
  for (let i = 1; i <= 6; i++) {
    const key = `key${i}`
    for (let v = 1; v <= 4; v++) {
      if (group === 'list') pipeline.rpush(key, `value${v}`)
      else if (group === 'set') pipeline.sadd(key, `value${v}`)
      else if (group === 'sorted-set') pipeline.zadd(key, v + 0.5, `value${v}`)
      else if (group === 'hash') pipeline.hset(key, `value${v}`, v)
      else if (group === 'geo') pipeline.geoadd(key, 1 + v / 1e5, 1, `value${v}`)
      else if (group === 'hyperloglog') pipeline.pfadd(key, `value${v}`)
      else if (group === 'stream') pipeline.xadd(key, `${v}-1`, 'f', 'v')
      else pipeline.set(key, '5')
    }
    if (group === 'stream') pipeline.xgroup('CREATE', key, 'value1', '0')
  }
  await pipeline.exec()
}

it('every reply has the declared type, for calls of every command that the server answers', async () => {
  const server = await startRedis()
  const client = new Redis({ path: server.socketPath })
  try {
    const { commands } = await readServer()
    const wrong: string[] = []
    const answered = new Set<string>()
    const call = async (facts: CommandFacts, command: string, args: string[]): Promise<boolean> => {
      const type = declared(facts.name, args)
      const method = client[command as 'get'] as unknown as (...args: string[]) => Promise<unknown>
      let reply: unknown
      try {
        reply = await method.apply(client, args)
      } catch {
        return false
      }
      answered.add(facts.name)
      if (type !== undefined && !isOfType(reply, type))
        wrong.push(`${command} ${args.join(' ')}: ${JSON.stringify(reply).slice(0, 100)} is no ${type}`)
      return true
    }
    for (const facts of commands.flatMap((command) => [command, ...command.subcommands])) {
      if (UNFIT.test(facts.name)) continue
      await fill(client, facts.group)
      for (const { command, args } of sampleCalls(facts, 10, 5)) {
        // With nothing left to pop, a blocking call would take its second.
        if (facts.flags.includes('blocking')) await fill(client, facts.group)
        await call(facts, command, args)
      }
    }
    const specs = new Map(commands.flatMap((c) => [c, ...c.subcommands]).map((facts) => [facts.name, facts]))
    for (const [group, calls] of HAND_WRITTEN) {
      await fill(client, group)
      for (const [command = '', ...args] of calls.map((text) => text.split(' '))) {
        const facts = specs.get(`${command}|${args[0]?.toLowerCase()}`) ?? specs.get(command)
        expect(await call(facts!, command, args), `${command} ${args.join(' ')}`).toBe(true)
      }
    }
    expect(wrong).toEqual([])
    expect(answered.size).toBeGreaterThan(250)
  } finally {
    client.disconnect()
    await server.stop()
  }
})

it('a reply of another type would be noticed', () => {
  expect(isOfType([['a', null]], '[key: string, n: number | null][]')).toBe(true)
  expect(isOfType([['a', '1']], '[key: string, n: number | null][]')).toBe(false)
  expect(isOfType({ a: 'b' }, 'Record<string, string>')).toBe(true)
  expect(isOfType(null, "'OK' | null")).toBe(true)
  expect(isOfType('OK!', "'OK' | null")).toBe(false)
})
