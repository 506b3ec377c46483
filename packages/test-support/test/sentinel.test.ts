import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { leakCheckEachTest, rawCommand, runningServers, startSentinels } from '../src/index.js'

leakCheckEachTest({ beforeEach, afterEach })

describe('startSentinels', () => {
  test('a primary, two replicas and three sentinels that know each other; nothing is left after stop()', async () => {
    const set = await startSentinels()
    const [primary, ...replicas] = set.group()
    expect(await set.primary()).toBe(primary)
    expect(replicas.length).toBe(2)
    for (const sentinel of set.sentinels) {
      const [host, port] = (await rawCommand(
        { host: sentinel.host, port: sentinel.port },
        'SENTINEL',
        'GET-MASTER-ADDR-BY-NAME',
        'mymaster',
      )) as [string, string]
      expect([host, Number(port)]).toEqual(['127.0.0.1', primary!.port])
    }
    expect(await rawCommand({ port: primary!.port }, 'SET', 'k', 'v')).toBe('OK')
    await set.stop()
    expect(runningServers()).toEqual([])
  })

  test('watches several names, with passwords of their own for servers and sentinels', async () => {
    const names = ['one', 'two']
    await using set = await startSentinels({ names, replicas: 1, password: 'p', sentinelPassword: 's' })
    expect(set.group('one')).not.toEqual(set.group('two'))
    const [sentinel] = set.sentinels
    await expect(rawCommand({ port: sentinel!.port }, 'SENTINEL', 'MASTERS')).rejects.toThrow(/NOAUTH/)
    expect(await set.addressAt(sentinel!, 'two')).toBe(set.group('two')[0]!.port)
  })

  test('fails over by hand: events tell which replica was chosen, and it is promoted, while sentinels still name the old one', async () => {
    await using set = await startSentinels({ sentinels: 1, quorum: 1 })
    const [old] = set.group()
    const heard: string[] = []
    const listener = await set.events(set.sentinels[0]!, (name, detail) => heard.push(`${name} ${detail}`))
    await set.failover()
    const promoted = await set.promoted(old!)
    listener.close()
    const chosen = heard.find((event) => event.startsWith('+selected-slave'))
    expect(chosen).toContain(`127.0.0.1:${promoted.port}`)
    expect(heard.some((event) => event.startsWith('+switch-master'))).toBe(false)
    expect(await set.addressAt(set.sentinels[0]!)).toBe(old!.port)
    expect((await promoted.command('ROLE')) as unknown[]).toContain('master')
  })
})
