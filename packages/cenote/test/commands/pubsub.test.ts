import { type EventEmitter, once } from 'node:events'
import { leakCheckEachTest } from '@cenote/test-support'
import type { RedisPool, SubscriptionGap } from 'cenote'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { closeAfterEach, onBoth, openPool, ready, useServer } from './support.js'

const server = useServer()

onBoth('subscriptions', server, (make) => {
  it('count, deliver text and bytes, for channels, patterns and shards', async () => {
    const client = make()
    const heard: unknown[] = []
    for (const event of ['message', 'messageBuffer', 'pmessage', 'pmessageBuffer', 'smessage', 'smessageBuffer']) {
      client.on(event, (...args: unknown[]) => heard.push([event, ...args]))
    }
    expect(await client.subscribe('a', 'b')).toBe(2)
    expect(await (client as unknown as RedisPool).subscribe(['b', 'c'])).toBe(3)
    expect(await client.psubscribe('p*')).toBe(4)
    expect(await client.ssubscribe('shard')).toBe(1)
    const publisher = make()
    const binary = Buffer.from([0xff, 0x00, 0xfe])
    expect(await publisher.publish('a', binary)).toBe(1)
    expect(await publisher.publish('p1', 'text')).toBe(1)
    const last = once(client, 'smessageBuffer')
    expect(await publisher.spublish('shard', 'é')).toBe(1)
    await last
    expect(heard).toEqual([
      ['message', 'a', binary.toString()],
      ['messageBuffer', Buffer.from('a'), binary],
      ['pmessage', 'p*', 'p1', 'text'],
      ['pmessageBuffer', 'p*', Buffer.from('p1'), Buffer.from('text')],
      ['smessage', 'shard', 'é'],
      ['smessageBuffer', Buffer.from('shard'), Buffer.from('é')],
    ])
    expect(client.mode).toBe('normal')
    expect(await client.ping()).toBe('PONG')
    expect(await client.set('k', 'v')).toBe('OK')
    expect(await client.unsubscribe('a', 'b')).toBe(2)
    expect(await client.punsubscribe('p*')).toBe(1)
    expect(await client.sunsubscribe('shard')).toBe(0)
    expect(await new Promise((resolve) => client.unsubscribe('c', (_error, count) => resolve(count)))).toBe(0)
  })

  it('come back after a reconnect', async () => {
    const client = make()
    await client.subscribe('a')
    await client.psubscribe('p*')
    await server().command('CLIENT', 'KILL', 'TYPE', 'pubsub')
    const publisher = make()
    const heard: string[] = []
    const both = new Promise<void>((resolve) => {
      client.on('message', (_channel: string, text: string) => void (heard.push(text) === 2 && resolve()))
      client.on('pmessage', (_p: string, _c: string, text: string) => void (heard.push(text) === 2 && resolve()))
    })
    while ((await publisher.publish('a', 'x')) === 0) await new Promise((resolve) => setImmediate(resolve))
    while ((await publisher.publish('p', 'y')) === 0) await new Promise((resolve) => setImmediate(resolve))
    await both
    expect(heard).toEqual(['x', 'y'])
  })

  it('messages of one publisher keep their order, un-awaited and binary', async () => {
    const client = make()
    await client.subscribe('a')
    const publisher = make()
    await ready(publisher)
    const heard: number[] = []
    const all = new Promise<void>((resolve) => {
      client.on('messageBuffer', (_channel: Buffer, bytes: Buffer) => {
        if (heard.push(bytes.readUInt16BE()) === 1000) resolve()
      })
    })
    const published: Promise<number>[] = []
    for (let i = 0; i < 1000; i++) {
      const bytes = Buffer.alloc(2)
      bytes.writeUInt16BE(i)
      published.push(publisher.publish('a', bytes))
    }
    await all
    await Promise.all(published)
    expect(heard).toEqual(Array.from({ length: 1000 }, (_, i) => i))
  })
})

describe('subscriptions of a pool', () => {
  leakCheckEachTest({ beforeEach, afterEach })
  closeAfterEach()

  it('share one connection, so that PUBLISH counts the pool once and each message comes once', async () => {
    const pool = openPool(server(), { lanes: 3 })
    const heard: string[] = []
    pool.on('message', (_channel, text: string) => heard.push(text))
    await Promise.all([pool.subscribe('a'), pool.subscribe('b'), pool.subscribe('a')])
    expect(await pool.publish('a', '1')).toBe(1)
    expect(await pool.pubsub('NUMSUB', 'a', 'b')).toEqual(['a', 1, 'b', 1])
    await pool.publish('b', '2')
    await pool.unsubscribe('a', 'b')
    expect(heard).toEqual(['1', '2'])
  })

  it('end without naming channels, whatever is subscribed, and when nothing is', async () => {
    for (const protocol of [2, 3] as const) {
      const pool = openPool(server(), { protocol })
      await pool.subscribe('a', 'b')
      await pool.psubscribe('p*')
      expect(await pool.unsubscribe()).toBe(1)
      expect(await pool.punsubscribe()).toBe(0)
      expect(await pool.unsubscribe()).toBe(0)
      expect(await pool.subscribe('c')).toBe(1)
      expect(await pool.ping()).toBe('PONG')
    }
  })

  it('leave the pool free for everything else on RESP2 too', async () => {
    const pool = openPool(server(), { protocol: 2 })
    const message = once(pool, 'messageBuffer')
    await pool.subscribe('a')
    expect(await pool.set('k', 'v')).toBe('OK')
    expect(await pool.lrange('none', 0, -1)).toEqual([])
    await pool.publish('a', Buffer.from([0xff]))
    expect(await message).toEqual([Buffer.from('a'), Buffer.from([0xff])])
    expect(pool.mode).toBe('normal')
  })

  it('tell from when to when messages may have been missed', async () => {
    const pool = openPool(server())
    await pool.subscribe('a')
    const before = Date.now()
    const told = once(pool, 'gap')
    await server().command('CLIENT', 'KILL', 'TYPE', 'pubsub')
    const [gap] = (await told) as [SubscriptionGap]
    expect(gap.from).toBeLessThanOrEqual(gap.to)
    expect(gap.from).toBeLessThanOrEqual(before + 1_000)
    expect(gap.to).toBeGreaterThanOrEqual(before)
    expect(gap.reason).toMatch(/closed the connection|failed/)
    expect(await pool.publish('a', 'x')).toBe(1)
  })

  it('with autoResubscribe false are gone after a loss', async () => {
    const pool = openPool(server(), { autoResubscribe: false })
    await pool.subscribe('a')
    await server().command('CLIENT', 'KILL', 'TYPE', 'pubsub')
    expect(await pool.psubscribe('p*')).toBe(1)
    expect(await pool.publish('a', 'x')).toBe(0)
  })

  it('a refused subscription rejects and leaves the others alone', async () => {
    await server().command('ACL', 'SETUSER', 'narrow', 'on', '>pw', '~*', '+@all', 'resetchannels', '&allowed')
    const pool = openPool(server(), { username: 'narrow', password: 'pw' })
    expect(await pool.subscribe('allowed')).toBe(1)
    await expect(pool.subscribe('forbidden')).rejects.toThrow(/NOPERM/)
    expect(await pool.publish('allowed', 'x')).toBe(1)
    const gap = once(pool, 'gap')
    await server().command('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await gap
    expect(await pool.publish('allowed', 'x')).toBe(1)
    await server().command('ACL', 'DELUSER', 'narrow')
  })

  it('survive a listener that throws: it becomes an uncaught exception, and the next message comes', async () => {
    const pool = openPool(server())
    await pool.subscribe('a')
    const others = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    try {
      const uncaught = once(process as unknown as EventEmitter, 'uncaughtException')
      const heard: string[] = []
      pool.on('message', (_channel: string, text: string) => {
        heard.push(text)
        if (text === 'first') throw new Error('of the listener')
      })
      const second = new Promise<void>((resolve) => pool.on('messageBuffer', () => heard.length === 2 && resolve()))
      await pool.publish('a', 'first')
      expect(await uncaught).toMatchObject([{ message: 'of the listener' }, 'uncaughtException'])
      await pool.publish('a', 'second')
      await second
      expect(heard).toEqual(['first', 'second'])
      expect(pool.stats().closed).toEqual({})
    } finally {
      for (const listener of others) process.on('uncaughtException', listener)
    }
  })

  it('on a lease are events of the lease, whose connection is not lent again', async () => {
    const pool = openPool(server())
    const lease = await pool.acquire()
    const message = once(lease, 'message')
    expect(await lease.subscribe('a')).toBe(1)
    await pool.publish('a', 'x')
    expect(await message).toEqual(['a', 'x'])
    await lease.release()
    expect(pool.stats().connections).toMatchObject({ idle: 0, leased: 0 })
  })
})

describe('a duplicate that subscribes', () => {
  leakCheckEachTest({ beforeEach, afterEach })
  closeAfterEach()

  it('on RESP2 is in subscriber mode like a client of its own', async () => {
    const pool = openPool(server(), { protocol: 2 })
    const duplicate = pool.duplicate()
    const message = once(duplicate, 'message')
    await duplicate.set('k', 'v')
    expect(await duplicate.subscribe('a')).toBe(1)
    expect(duplicate.mode).toBe('subscriber')
    expect(await duplicate.ping()).toEqual(['pong', ''])
    await expect(duplicate.get('k')).rejects.toThrow(/only \(P\|S\)SUBSCRIBE/)
    await pool.publish('a', 'x')
    expect(await message).toEqual(['a', 'x'])
    expect(await duplicate.unsubscribe('a')).toBe(0)
    expect(await duplicate.get('k')).toBe('v')
    duplicate.disconnect()
  })
})
