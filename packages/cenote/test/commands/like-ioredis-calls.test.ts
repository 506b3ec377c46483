import { once } from 'node:events'
import { expect, it } from 'vitest'
import { onBoth, useServer } from './support.js'

const server = useServer()

onBoth('arguments and replies', server, (make) => {
  it('flatten one level, stringify the rest, take objects and maps', async () => {
    const client = make()
    const raw = client as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>
    await raw.set!('a', null)
    await raw.set!('b', undefined)
    await raw.set!('c', { x: 1 })
    await raw.set!('d', new Uint8Array([1, 2]))
    await raw.set!('e', 1e21)
    await raw.rpush!('l', ['p', ['q', 'r']], true, Buffer.from([0xff]))
    await raw.mset!({ f: 1, g: 'two' })
    await raw.mset!(new Map([['h', 3]]))
    await raw.hset!('hash', { __proto__x: 1, 'b c': 2 })
    await raw.hmset!('hash', new Map([['m', 'n']]))
    expect(await client.mget('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'none')).toEqual([
      '',
      '',
      '[object Object]',
      '1,2',
      '1000000000000000000000',
      '1',
      'two',
      '3',
      null,
    ])
    expect(await client.lrangeBuffer('l', 0, -1)).toEqual([
      Buffer.from('p'),
      Buffer.from('q,r'),
      Buffer.from('true'),
      Buffer.from([0xff]),
    ])
    expect(await client.hgetall('hash')).toEqual({ __proto__x: '1', 'b c': '2', m: 'n' })
    expect(await client.hgetallBuffer('hash')).toEqual({
      __proto__x: Buffer.from('1'),
      'b c': Buffer.from('2'),
      m: Buffer.from('n'),
    })
    expect(await client.hgetall('none')).toEqual({})
    await expect(raw.hset!('k', {})).rejects.toThrow('wrong number of arguments')
    await expect(async () => raw.call!(['get', 'a'])).rejects.toThrow(TypeError)
  })

  it('keep the shapes of RESP2 on either protocol', async () => {
    for (const protocol of [2, 3] as const) {
      const client = make({ protocol })
      await client.flushall()
      await client.zadd('z', 1.5, 'a', 2, 'b')
      await client.xadd('s', '1-1', 'f', 'v')
      await client.hset('h', 'f', '1')
      expect(await client.zscore('z', 'a')).toBe('1.5')
      expect(await client.zrange('z', '0', '-1', 'WITHSCORES')).toEqual(['a', '1.5', 'b', '2'])
      expect(await client.zmscore('z', 'a', 'x')).toEqual(['1.5', null])
      expect(await client.zpopmin('z')).toEqual(['a', '1.5'])
      expect(await client.bzpopmin('z', 1)).toEqual(['z', 'b', '2'])
      expect(await client.xread('COUNT', 1, 'STREAMS', 's', '0')).toEqual([['s', [['1-1', ['f', 'v']]]]])
      expect(await client.xread('STREAMS', 's', '9-9')).toBeNull()
      expect(await client.hrandfield('h', 1, 'WITHVALUES')).toEqual(['f', '1'])
      expect(await client.config('GET', 'maxmemory')).toEqual(['maxmemory', '0'])
      expect(await client.eval('return {1, 3.99, true, false, {ok="fine"}}', 0)).toEqual([1, 3, 1, null, 'fine'])
      expect(await client.call('hgetall', 'h')).toEqual({ f: '1' })
      expect(await client.call('HGETALL', 'h')).toEqual(['f', '1'])
      expect(await client.callBuffer('GET', 'none')).toBeNull()
      client.disconnect()
    }
  })

  it('with stringNumbers are text', async () => {
    const client = make({ stringNumbers: true })
    expect(await client.incr('n')).toBe('1')
    await client.set('n', '9007199254740993')
    expect(await client.incr('n')).toBe('9007199254740994')
  })

  it('carry the prefix wherever a key is, and nowhere else', async () => {
    const client = make({ keyPrefix: 'p:' })
    await client.set('a', 1)
    await client.mset('b', 2, 'c', 3)
    await client.call('SET', Buffer.from('d'), 4)
    await client.eval('return redis.call("SET", KEYS[1], ARGV[1])', 1, 'e', 5)
    await client.pipeline().set('f', 6).exec()
    await client.multi().set('g', 7).exec()
    client.defineCommand('put', { lua: 'return redis.call("SET", KEYS[1], ARGV[1])', numberOfKeys: 1 })
    await (client as unknown as { put(key: string, value: number): Promise<string> }).put('i', 8)
    await client.zadd('z1', 1, 'm')
    await client.zunionstore('z2', 1, 'z1')
    const keys = (await client.keys('*')).sort()
    expect(keys).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'i', 'z1', 'z2'].map((key) => `p:${key}`))
  })
})

onBoth('scripts', server, (make) => {
  it('are methods of the client, its pipelines and transactions, with Buffer twins and callbacks', async () => {
    const client = make({ scripts: { given: { lua: 'return ARGV[1]', numberOfKeys: 0 } } })
    client.defineCommand('addJob-v1:x', { lua: 'return {KEYS[1], ARGV[1]}', numberOfKeys: 1 })
    client.defineCommand('counted', { lua: 'return {#KEYS, #ARGV}' })
    const scripts = client as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>
    const name = 'addJob-v1:x'
    expect(Object.hasOwn(client, name)).toBe(true)
    expect(await scripts.given!('x')).toBe('x')
    expect(await scripts[name]!(['k', 'v'])).toEqual(['k', 'v'])
    expect(await scripts[`${name}Buffer`]!('k', 'v')).toEqual([Buffer.from('k'), Buffer.from('v')])
    expect(await scripts.counted!(2, 'a', 'b', 'c')).toEqual([2, 1])
    const chain = client.pipeline() as unknown as Record<string, (...args: unknown[]) => { exec(): unknown }>
    expect(await chain[name]!('k', 'v').exec()).toEqual([[null, ['k', 'v']]])
    const multi = client.multi() as unknown as Record<string, (...args: unknown[]) => { exec(): unknown }>
    expect(await multi[name]!('k', 'v').exec()).toEqual([[null, ['k', 'v']]])
    expect(
      await new Promise((resolve) => scripts.given!('y', (_error: unknown, reply: unknown) => resolve(reply))),
    ).toBe('y')
    client.defineCommand('given', { lua: 'return "second"', numberOfKeys: 0 })
    expect(await scripts.given!()).toBe('second')
  })

  it('go out in full once, by hash afterwards, and are healed when the server has forgotten them', async () => {
    const client = make()
    client.defineCommand('echoes', { lua: 'return ARGV[1]', numberOfKeys: 0 })
    const scripts = client as unknown as { echoes(text: string): Promise<string> }
    await scripts.echoes('a')
    await server().command('CONFIG', 'RESETSTAT')
    await scripts.echoes('b')
    const stats = String(await server().command('INFO', 'commandstats'))
    expect(stats).toContain('cmdstat_evalsha:calls=1')
    expect(stats).not.toContain('cmdstat_eval:')
    await client.script('FLUSH')
    expect(await scripts.echoes('c')).toBe('c')
    await client.script('FLUSH')
    const chain = client.pipeline().set('k', 1) as unknown as {
      echoes(text: string): { get(key: string): { exec(): unknown } }
    }
    expect(await chain.echoes('d').get('k').exec()).toEqual([
      [null, 'OK'],
      [null, 'd'],
      [null, '1'],
    ])
    await expect(client.evalsha('0'.repeat(40), 0)).rejects.toThrow(/^NOSCRIPT/)
  })
})

onBoth('streams and the rest', server, (make) => {
  it('scan streams give everything, for keys and collections, as text and as Buffers', async () => {
    const client = make()
    const names = Array.from({ length: 250 }, (_, i) => `k${i}`)
    await client.mset(Object.fromEntries(names.map((name) => [name, '1'])))
    await client.sadd('set', ...names)
    await client.hset('hash', Object.fromEntries(names.map((name) => [name, '1'])))
    await client.zadd('zset', ...names.flatMap((name, i) => [i, name]))
    const all = async (stream: AsyncIterable<unknown[]>) => {
      const found: unknown[] = []
      for await (const batch of stream) found.push(...batch)
      return found
    }
    expect(new Set(await all(client.scanStream({ match: 'k*', count: 20 })))).toEqual(new Set(names))
    expect(await all(client.scanStream({ type: 'hash' }))).toEqual(['hash'])
    expect(new Set(await all(client.sscanStream('set')))).toEqual(new Set(names))
    expect((await all(client.hscanStream('hash'))).length).toBe(500)
    expect((await all(client.zscanStream('zset', { match: 'k1' }))).sort()).toEqual(['1', 'k1'])
    const buffers = await all(client.scanBufferStream({ match: 'k1' }))
    expect(buffers).toEqual([Buffer.from('k1')])
    const closed = client.scanStream({ count: 1 })
    closed.close()
    expect(await all(closed)).toEqual([])
  })

  it('monitor reports on a connection of its own', async () => {
    const client = make()
    const monitor = await client.monitor()
    const seen: unknown[] = []
    const told = new Promise<void>((resolve) =>
      monitor.on('monitor', (_time: string, args: string[], _source: string, database: string) => {
        seen.push([args, database])
        resolve()
      }),
    )
    await client.set('k', 'a "quoted" word')
    await told
    expect(seen[0]).toEqual([['set', 'k', 'a "quoted" word'], '0'])
    monitor.disconnect()
    await once(monitor, 'end')
  })

  it('errors name their command; unknown members are absent, those of ioredis present', async () => {
    const client = make()
    await client.set('text', 'x')
    const failure = await client.lpush('text', 1).catch((error: unknown) => error)
    expect(failure).toMatchObject({ name: 'ReplyError', command: { name: 'lpush', args: ['text', '1'] } })
    for (const absent of [
      'sSubscribe',
      'pSubscribe',
      'scanIterator',
      'isOpen',
      'isReady',
      'runCommand',
      'nodes',
      'then',
      'batch',
    ]) {
      expect(absent in client, absent).toBe(false)
    }
    expect(client.isCluster).toBe(false)
    expect(client.mode).toBe('normal')
    expect(client.on('x', () => undefined)).toBe(client)
    expect(client.off('x', () => undefined)).toBe(client)
    expect(client.getMaxListeners()).toBe(10)
    expect(client.getBuiltinCommands()).toContain('get')
    expect(await client.createBuiltinCommand('get').string.call(client, 'text')).toBe('x')
    expect(await client.set.call(client, 'text', 'y')).toBe('OK')
    expect(client.options).toMatchObject({
      family: 0,
      keyPrefix: '',
      db: 0,
      lazyConnect: false,
      maxRetriesPerRequest: 20,
    })
  })
})
