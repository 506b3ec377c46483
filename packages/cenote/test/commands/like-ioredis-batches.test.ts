import { once } from 'node:events'
import type { Redis } from 'ioredis'
import { expect, it } from 'vitest'
import { onBoth, ready, useServer } from './support.js'

const server = useServer()

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
      .call('set', 'a')
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
    // What ioredis does here is not in its types: the first exec() ends the transaction and returns the chain.
    const chain = client.pipeline().set('a', 1) as unknown as {
      multi(): typeof chain & { exec(): typeof chain }
    } & Redis
    const inner = chain.multi().incr('a') as unknown as Redis
    const outer = inner.hgetall('none') as unknown as { exec(): Redis }
    const last = outer.exec().get('a') as unknown as { exec(): Promise<unknown> }
    const results = await last.exec()
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
