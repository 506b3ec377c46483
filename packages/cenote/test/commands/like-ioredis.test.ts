import { once } from 'node:events'
import { expect, it } from 'vitest'
import { nextTurn, onBoth, ready, useServer } from './support.js'

const server = useServer()

const EVENTS = ['wait', 'connecting', 'connect', 'ready', 'close', 'reconnecting', 'end', 'select']
function record(client: { on(event: string, listener: () => void): unknown }): string[] {
  const events: string[] = []
  for (const event of EVENTS) client.on(event, () => events.push(event))
  return events
}

onBoth('life', server, (make) => {
  it('passes connecting, connect, ready, close, end; the status is there before the event', async () => {
    const client = make()
    const events = record(client)
    const statuses: string[] = []
    for (const event of EVENTS) client.on(event, () => statuses.push(`${event}:${client.status}`))
    expect(client.status).toBe('connecting')
    await once(client, 'ready')
    expect(await client.quit()).toBe('OK')
    expect(client.status).toBe('ready')
    await once(client, 'end')
    expect(events).toEqual(['connecting', 'connect', 'ready', 'close', 'end'])
    expect(statuses.slice(-2)).toEqual(['close:end', 'end:end'])
    await expect(client.get('k')).rejects.toThrow('Connection is closed.')
    await expect(client.quit()).rejects.toThrow('Connection is closed.')
  })

  it('refuses commands after quit() in the same tick, and answers those before it', async () => {
    const client = make()
    await ready(client)
    const before = client.set('k', 1)
    const quit = client.quit()
    const after = client.get('k')
    await expect(after).rejects.toThrow()
    expect(await Promise.all([before, quit])).toEqual(['OK', 'OK'])
  })

  it('connects again after its end', async () => {
    const client = make()
    await ready(client)
    expect(client.disconnect()).toBeUndefined()
    await once(client, 'end')
    expect(await client.connect()).toBeUndefined()
    expect(client.status).toBe('ready')
    expect(await client.set('k', 1)).toBe('OK')
    await expect(client.connect()).rejects.toThrow('Redis is already connecting/connected')
  })

  it('with lazyConnect waits, connects on the first command, pipeline or transaction', async () => {
    for (const first of ['command', 'pipeline', 'multi'] as const) {
      const client = make({ lazyConnect: true })
      expect(client.status).toBe('wait')
      await nextTurn()
      expect(client.status).toBe('wait')
      const result =
        first === 'command'
          ? client.set('k', 1)
          : (first === 'pipeline' ? client.pipeline() : client.multi()).set('k', 1).exec()
      expect(client.status).toBe('connecting')
      expect(await result).toEqual(first === 'command' ? 'OK' : [[null, 'OK']])
      client.disconnect()
    }
    const unused = make({ lazyConnect: true })
    expect(await unused.quit()).toBe('OK')
    await nextTurn()
    expect(unused.status).toBe('end')
  })

  it('reconnects after a loss and after disconnect(true), and goes on', async () => {
    const client = make()
    await ready(client)
    const events = record(client)
    await server().command('CLIENT', 'KILL', 'TYPE', 'normal')
    await once(client, 'ready')
    expect(await client.set('k', 1)).toBe('OK')
    client.disconnect(true)
    await once(client, 'ready')
    expect(await client.get('k')).toBe('1')
    const once1 = ['close', 'reconnecting', 'connecting', 'connect', 'ready']
    expect(events).toEqual([...once1, ...once1])
  })

  it('with retryStrategy null ends instead of reconnecting', async () => {
    const client = make({ retryStrategy: () => null })
    await ready(client)
    await server().command('CLIENT', 'KILL', 'TYPE', 'normal')
    await once(client, 'end')
    await expect(client.get('k')).rejects.toThrow('Connection is closed.')
  })

  it('calls back from connect, quit and commands; the status may be written', async () => {
    const client = make({ lazyConnect: true })
    const heard: unknown[] = []
    await new Promise<void>((resolve) => void client.connect((...args) => resolve(void heard.push(args))))
    await new Promise<void>((resolve) => client.set('k', 1, (error, reply) => resolve(void heard.push([error, reply]))))
    ;(client as { status: string }).status = 'end'
    expect(client.status).toBe('end')
    ;(client as { status: string }).status = 'ready'
    await new Promise<void>((resolve) => void client.quit((error, reply) => resolve(void heard.push([error, reply]))))
    expect(heard.slice(1)).toEqual([
      [null, 'OK'],
      [null, 'OK'],
    ])
  })

  it('selects for all later commands, tells so, and keeps it after a reconnect', async () => {
    const client = make()
    await ready(client)
    const events = record(client)
    expect(await client.select(3)).toBe('OK')
    await client.set('in3', 1)
    expect(client.options.db).toBe(0)
    await server().command('CLIENT', 'KILL', 'TYPE', 'normal')
    await once(client, 'ready')
    expect(await client.get('in3')).toBe('1')
    expect(await client.blpop('none', 0.01)).toBeNull()
    expect(events[0]).toBe('select')
    await expect(client.select(999)).rejects.toThrow('ERR DB index is out of range')
    expect(await client.get('in3')).toBe('1')
  })
})

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
      expect(await client.zrange('z', 0, -1, 'WITHSCORES')).toEqual(['a', '1.5', 'b', '2'])
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
    await client.zadd('z1', 1, 'm')
    await client.zunionstore('z2', 1, 'z1')
    const keys = (await client.keys('*')).sort()
    expect(keys).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'z1', 'z2'].map((key) => `p:${key}`))
  })
})

onBoth('pipelines and transactions', server, (make, isCenote) => {
  it('give one entry per command, failed ones with the error alone', async () => {
    const client = make()
    await client.set('text', 'x')
    const chain = client.pipeline().set('a', 1).incr('text').get('a')
    expect(chain.length).toBe(3)
    expect('then' in chain).toBe(false)
    const results = (await chain.exec())!
    expect(results[0]).toEqual([null, 'OK'])
    expect(results[1]).toHaveLength(1)
    expect(results[1]![0]).toMatchObject({ name: 'ReplyError', command: { name: 'incr', args: ['text'] } })
    expect(results[2]).toEqual([null, '1'])
    expect(await chain.exec()).toBe(results)
    expect(await client.pipeline().exec()).toEqual([])
    expect(
      await client
        .pipeline([
          ['set', 'b', '2'],
          ['get', 'b'],
        ])
        .exec(),
    ).toEqual([
      [null, 'OK'],
      [null, '2'],
    ])
    expect(() => client.pipeline([['nosuchcommand']])).toThrow(TypeError)
  })

  it('call back for each command and for the whole', async () => {
    const client = make()
    const heard: unknown[] = []
    await new Promise<void>((resolve) => {
      client
        .pipeline()
        .set('a', 1, (error, reply) => heard.push(['set', error, reply]))
        .get('a', (error, reply) => heard.push(['get', error, reply]))
        .exec((error, results) => resolve(void heard.push(['exec', error, results])))
    })
    await client
      .multi()
      .set('b', 1, (error, reply) => heard.push(['multi', error, reply]))
      .exec()
    expect(heard).toEqual([
      ['set', null, 'OK'],
      ['get', null, '1'],
      [
        'exec',
        null,
        [
          [null, 'OK'],
          [null, '1'],
        ],
      ],
      ['multi', null, 'QUEUED'],
    ])
    expect(
      await client
        .multi()
        .get('a')
        .exec(true as never),
    ).toEqual([[null, '1']])
  })

  it('transform replies inside EXEC, and keep a failure to its own command', async () => {
    const client = make()
    await client.hset('h', 'f', 'v')
    await client.set('text', 'x')
    const results = (await client.multi().hgetall('h').getBuffer('text').incr('text').get('text').exec())!
    expect(results[0]).toEqual([null, { f: 'v' }])
    expect(results[1]).toEqual([null, Buffer.from('x')])
    expect(results[2]![0]!.message).toMatch(/not an integer/)
    expect(results[3]).toEqual([null, 'x'])
    expect(
      await client
        .multi([
          ['set', 'k', 'v'],
          ['get', 'k'],
        ])
        .exec(),
    ).toEqual([
      [null, 'OK'],
      [null, 'v'],
    ])
  })

  it('reject a transaction the server discarded, with what it had refused', async () => {
    const client = make()
    const failure = await client
      .multi()
      .set('a')
      .set('b', 1)
      .exec()
      .catch((error: unknown) => error)
    expect(failure).toMatchObject({
      name: 'ReplyError',
      message: 'EXECABORT Transaction discarded because of previous errors.',
      command: { name: 'exec', args: [] },
      previousErrors: [{ message: expect.stringContaining('wrong number of arguments') }],
    })
    expect(await client.exists('b')).toBe(0)
  })

  it('run MULTI in the middle of a pipeline, contiguously, with raw entries', async () => {
    const client = make()
    const chain = client.pipeline().set('a', 1).multi().incr('a').hgetall('none').exec() as unknown as typeof client
    const results = await (chain as unknown as { get(key: string): { exec(): Promise<unknown> } }).get('a').exec()
    expect(results).toEqual([
      [null, 'OK'],
      [null, 'OK'],
      [null, 'QUEUED'],
      [null, 'QUEUED'],
      [null, [2, {}]],
      [null, '2'],
    ])
  })

  it('without pipelining queue at the server until exec or discard', async () => {
    const client = make()
    expect(await client.multi({ pipeline: false })).toBe('OK')
    expect(await client.set('k', 'v')).toBe('QUEUED')
    expect(await client.get('k')).toBe('QUEUED')
    expect(await client.exec()).toEqual([
      [null, 'OK'],
      [null, 'v'],
    ])
    client.multi({ pipeline: false })
    client.set('k', 'w')
    expect(await client.discard()).toBe('OK')
    expect(await client.get('k')).toBe('v')
  })

  it('fail entry by entry, or as a whole, once the client has ended', async () => {
    const client = make()
    await ready(client)
    client.disconnect()
    await once(client, 'end')
    const results = await client.pipeline().get('a').get('b').exec()
    expect(results!.map(([error]) => error!.message)).toEqual(['Connection is closed.', 'Connection is closed.'])
    await expect(client.multi().get('a').exec()).rejects.toThrow(isCenote ? 'Connection is closed.' : /closed|aborted/i)
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
