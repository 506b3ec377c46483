import { Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { readServer } from '../../generator/server.js'
import { COMMAND_NAMES } from '../../src/commands/commandNames.generated.js'
import { FLAG, knownCommands, lookupCommand } from '../../src/metadata/lookup.js'

describe('the command table', () => {
  it('knows each command and subcommand of the running server, with its arity', async () => {
    const { commands } = await readServer()
    const differing = commands.flatMap((facts) => {
      const spec = lookupCommand(facts.name)
      const subs = facts.subcommands.filter((sub) => {
        const found = spec.subcommands?.get(sub.name.slice(facts.name.length + 1))
        return found?.arity !== sub.arity || found.fullName !== sub.name
      })
      return [...(spec.known && spec.arity === facts.arity ? [] : [facts.name]), ...subs.map((sub) => sub.name)]
    })
    expect(differing).toEqual([])
  })

  it('knows each command ioredis has a method for, and installs a method for it', () => {
    const client = new Redis({ lazyConnect: true })
    const names = client.getBuiltinCommands()
    client.disconnect()
    expect(names.filter((name) => !lookupCommand(name).known)).toEqual([])
    expect(names.filter((name) => !COMMAND_NAMES.includes(name))).toEqual([])
    expect(names.length).toBeGreaterThan(300)
  })

  it('finds a command whatever its case, and gives the same object each time', () => {
    expect(lookupCommand('HGETALL')).toBe(lookupCommand('hgetall'))
    expect(lookupCommand('HgetAll').wireName).toBe('$7\r\nhgetall\r\n')
    expect(lookupCommand('client').subcommands?.get('list')?.fullName).toBe('client|list')
  })

  it('treats an unknown command as a write and remembers only a bounded number of them', () => {
    const spec = lookupCommand('My.Command')
    expect(spec).toMatchObject({ name: 'my.command', flags: 0, known: false, keySpecs: [], firstKeyAt: -1 })
    expect(lookupCommand('MY.COMMAND')).toBe(spec)
    for (let i = 0; i < 2000; i++) lookupCommand(`my.command${i}`)
    expect(lookupCommand('my.command')).not.toBe(spec)
    expect(lookupCommand('grüße').wireName).toBe('$7\r\ngrüße\r\n')
  })

  it('has one object shape, so that reading a field stays a fast access', () => {
    const shapes = new Set<string>()
    for (const spec of [...knownCommands().values(), lookupCommand('un.known')]) {
      shapes.add(Object.keys(spec).join())
      for (const sub of spec.subcommands?.values() ?? []) shapes.add(Object.keys(sub).join())
    }
    expect(shapes.size).toBe(1)
  })

  it('says of the commands that matter to routing what the server says', () => {
    const has = (name: string, bit: number) => (lookupCommand(name).flags & bit) !== 0
    expect(has('blpop', FLAG.BLOCKING)).toBe(true)
    expect(has('wait', FLAG.BLOCKING)).toBe(true)
    expect(has('subscribe', FLAG.SUBSCRIBE)).toBe(true)
    expect(has('publish', FLAG.SUBSCRIBE)).toBe(false)
    expect(has('publish', FLAG.PUBSUB)).toBe(true)
    expect(has('set', FLAG.WRITE)).toBe(true)
    expect(has('get', FLAG.READONLY | FLAG.FAST)).toBe(true)
    expect(has('monitor', FLAG.CONNECTION_STATE)).toBe(true)
    expect(has('hmset', FLAG.DEPRECATED)).toBe(true)
  })
})
