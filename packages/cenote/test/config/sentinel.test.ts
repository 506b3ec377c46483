import { Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import type { PoolOptions } from '../../src/config/options.js'
import { configError, resolved, type Variables } from './support.js'

const sentinel = (given: PoolOptions, variables: Variables = {}, url?: string) =>
  resolved(variables, given, url).sentinel
const nodes = (...ports: number[]) => ports.map((port) => ({ host: 'localhost', port }))

describe('sentinels', () => {
  it.each<[string, PoolOptions['sentinels'], object[]]>([
    [
      'as ioredis has them',
      [{ host: 'a', port: 1 }, { host: 'b' }],
      [
        { host: 'a', port: 1 },
        { host: 'b', port: 26_379 },
      ],
    ],
    ['without a host', [{ port: 1 }, {}], nodes(1, 26_379)],
    ['with a port as text and a family', [{ host: 'a', port: '1', family: 6 }], [{ host: 'a', port: 1, family: 6 }]],
    [
      'as texts',
      ['a', 'b:1', '[::1]:2', '::1'],
      [
        { host: 'a', port: 26_379 },
        { host: 'b', port: 1 },
        { host: '::1', port: 2 },
        { host: '::1', port: 26_379 },
      ],
    ],
    [
      'as one text',
      'a, b:1,',
      [
        { host: 'a', port: 26_379 },
        { host: 'b', port: 1 },
      ],
    ],
    ['once where they come twice', ['a', 'a:26379'], [{ host: 'a', port: 26_379 }]],
    ['with inherited keys', [Object.create({ host: 'a', port: 1 })], [{ host: 'a', port: 1 }]],
  ])('are taken %s', (_, sentinels, expected) => {
    expect(sentinel({ sentinels, name: 'm' })?.nodes).toEqual(expected)
  })

  it('have the defaults of ioredis where they are sane', () => {
    expect(sentinel({ sentinels: ['a'], name: 'm' })).toEqual({
      nodes: [{ host: 'a', port: 26_379 }],
      name: 'm',
      role: 'primary',
      username: undefined,
      password: undefined,
      tls: undefined,
      commandTimeoutMs: 1_000,
      maxConnections: 10,
      updateSentinels: true,
      retryStrategy: expect.any(Function),
      reconnectStrategy: expect.any(Function),
      preferredReplicas: undefined,
      natMap: undefined,
    })
    const theirs = new Redis({ lazyConnect: true, sentinels: [{ host: 'a' }], name: 'm' })
    theirs.disconnect()
    const ours = resolved({}, { sentinels: ['a'], name: 'm' }) as unknown as Record<string, unknown>
    for (const [key, value] of Object.entries(theirs.options)) {
      if (/sentinel|role|natMap|failover/i.test(key) && key !== 'sentinels' && typeof value !== 'function') {
        expect(ours[key], key).toEqual(value)
      }
    }
    for (const key of ['sentinelRetryStrategy', 'sentinelReconnectStrategy'] as const) {
      for (const times of [1, 50, 500]) {
        expect((ours[key] as (n: number) => unknown)(times)).toBe(
          (theirs.options[key] as unknown as (n: number) => unknown)(times),
        )
      }
    }
  })

  it('have credentials and TLS apart from those of the servers', () => {
    const options = resolved(
      {},
      {
        sentinels: ['a'],
        name: 'm',
        username: 'u',
        password: 'p',
        tls: { servername: 's' },
        sentinelUsername: 'su',
        sentinelPassword: () => 'sp',
        sentinelTLS: { servername: 'ss' },
      },
    )
    expect(options).toMatchObject({ username: 'u', password: 'p', tls: { servername: 's' } })
    expect(options.sentinel).toMatchObject({ username: 'su', tls: { servername: 'ss' } })
    expect((options.sentinel!.password as () => string)()).toBe('sp')
    const servers = resolved({}, { sentinels: ['a'], name: 'm', password: 'p', tls: true })
    expect(servers.sentinel).toMatchObject({ password: undefined, username: undefined, tls: undefined })
  })

  it('with sentinelTLS true use the certificates of the servers, not their name', () => {
    const tls = { ca: 'c', servername: 's', rejectUnauthorized: false }
    expect(sentinel({ sentinels: ['a'], name: 'm', tls, sentinelTLS: true })?.tls).toEqual({
      ca: 'c',
      rejectUnauthorized: false,
    })
    expect(sentinel({ sentinels: ['a'], name: 'm', sentinelTLS: true })?.tls).toBe(true)
  })

  it('leave the servers plain when enableTLSForSentinelMode is false, as ioredis does, and not when it is left out', () => {
    const given: PoolOptions = { sentinels: ['a'], name: 'm', tls: { servername: 's' } }
    expect(resolved({}, given).tls).toEqual({ servername: 's' })
    expect(resolved({}, { ...given, enableTLSForSentinelMode: true }).tls).toEqual({ servername: 's' })
    expect(resolved({}, { ...given, enableTLSForSentinelMode: false }).tls).toBeUndefined()
    const theirs = new Redis({ lazyConnect: true, sentinels: [{ host: 'a' }], name: 'm', tls: { servername: 's' } })
    theirs.disconnect()
    expect(resolved({}, theirs.options as PoolOptions).tls).toBeUndefined()
    expect(resolved({}, { host: 'h', tls: true, enableTLSForSentinelMode: false }).tls).toBe(true)
  })

  it('keep the preferred replicas in their order, and the addresses to translate', () => {
    const b = { ip: 'b', port: '1', prio: 1 }
    const a = { ip: 'a', port: '1', prio: 0 }
    const c = { ip: 'c', port: '1' }
    expect(sentinel({ sentinels: ['a'], name: 'm', preferredSlaves: [b, c, a] })?.preferredReplicas).toEqual([a, b, c])
    expect(sentinel({ sentinels: ['a'], name: 'm', preferredSlaves: b })?.preferredReplicas).toEqual([b])
    const natMap = { '10.0.0.1:1': { host: 'x', port: 2 }, 'fd00::1:1': { host: 'y', port: 3 } }
    expect(sentinel({ sentinels: ['a'], name: 'm', natMap })?.natMap).toEqual(natMap)
    expect(sentinel({ sentinels: ['a'], name: 'm', role: 'slave' })?.role).toBe('replica')
  })

  it('are none when they are null, false or an empty list', () => {
    for (const none of [null, [], false as never]) {
      expect(resolved({}, { sentinels: none, name: 'p' })).toMatchObject({
        sentinels: null,
        sentinel: undefined,
        name: 'p',
      })
    }
  })

  it.each<[PoolOptions, RegExp]>([
    [{ sentinels: ['a'] }, /name of the master that a:26379 watch: give name or sentinelName/],
    [{ sentinels: ['a:b'], name: 'm' }, /sentinels\[0\] must be host:port/],
    [{ sentinels: ['a', ''], name: 'm' }, /sentinels\[1\] must be host:port/],
    [
      { sentinels: [{ host: 'a', password: 'x' } as never], name: 'm' },
      /Unknown key in sentinels\[0\]: password; accepted: host, port, family/,
    ],
    [{ sentinels: [{ host: 'a', port: 0 }], name: 'm' }, /sentinels\[0\]\.port must be/],
    [{ sentinels: { host: 'a' } as never, name: 'm' }, /sentinels must be a list of host:port/],
    [{ sentinels: ['a'], name: 'm', role: 'replica' as never }, /role must be one of master, slave/],
    [{ sentinels: ['a'], name: 'm', natMap: { x: { host: 'a', port: 1 } } }, /natMap must have keys such as/],
    [{ sentinels: ['a'], name: 'm', natMap: { 'x:1': { host: 'a' } as never } }, /natMap\['x:1'\]\.port must be/],
    [{ sentinels: ['a'], name: 'm', preferredSlaves: ['a'] as never }, /preferredSlaves must be \{ ip, port, prio \}/],
    [{ sentinels: ['a'], name: 'm', cluster: ['b'] }, /contradict each other.*give one of them/],
  ])('that are wrong are refused: %j', (given, message) => {
    expect(configError(() => resolved({}, given)).message).toMatch(message)
  })

  it('come by URL, with the credentials and TLS of the servers and parameters for their own', () => {
    const options = resolved(
      {},
      { sentinelUsername: 'not this' },
      'rediss+sentinel://u:p@h1:1,h2/mymaster/2?sentinelUsername=su&sentinelPassword=12&sentinelMaxConnections=3',
    )
    expect(options).toMatchObject({ username: 'u', password: 'p', db: 2, tls: true, sentinelName: 'mymaster' })
    expect(options.sentinel).toMatchObject({
      nodes: [
        { host: 'h1', port: 1 },
        { host: 'h2', port: 26_379 },
      ],
      name: 'mymaster',
      username: 'su',
      password: '12',
      tls: true,
      maxConnections: 3,
    })
    expect(sentinel({}, {}, 'redis+sentinel://h/m')?.tls).toBeUndefined()
    expect(sentinel({}, {}, 'redis+sentinel://h/m?sentinelTLS=true')?.tls).toBe(true)
    expect(sentinel({}, {}, 'redis+sentinel://h?name=m')?.name).toBe('m')
    expect(sentinel({ name: 'm' }, {}, 'redis+sentinel://h')?.name).toBe('m')
  })

  const BY_VARIABLES = { REDIS_SENTINELS: 'a,b:1', REDIS_SENTINEL_NAME: 'm' }

  it('come by variables, each by itself', () => {
    const options = resolved({
      ...BY_VARIABLES,
      REDIS_SENTINEL_USERNAME: 'su',
      REDIS_SENTINEL_PASSWORD: 'sp',
      REDIS_SENTINEL_TLS: 'true',
      REDIS_PASSWORD: 'p',
      REDIS_DB: '2',
      REDIS_TLS_SERVERNAME: 's',
      REDIS_READ_FROM: 'prefer-replica',
      REDIS_MAX_REPLICA_LAG_MS: '500',
    })
    expect(options).toMatchObject({ password: 'p', db: 2, readFrom: 'prefer-replica', maxReplicaLagMs: 500 })
    expect(options.sentinel).toMatchObject({ name: 'm', username: 'su', password: 'sp', tls: true })
    expect(options.sentinel?.nodes).toHaveLength(2)
    expect(configError(() => resolved({ REDIS_SENTINELS: 'a' })).message).toMatch(/REDIS_SENTINEL_NAME/)
    expect(resolved({ REDIS_URL: 'redis+sentinel://h', REDIS_SENTINEL_NAME: 'm' }).sentinel?.name).toBe('m')
    expect(resolved({ REDIS_URL: 'redis+sentinel://h?name=m' }).sentinel?.name).toBe('m')
    const both = resolved({ REDIS_URL: 'redis+sentinel://h?name=auth', REDIS_SENTINEL_NAME: 'm' })
    expect(both).toMatchObject({ name: 'auth', sentinel: { name: 'm' } })
    const apart = { REDIS_URL: 'redis:///?name=auth', REDIS_SENTINELS: 'a' }
    expect(configError(() => resolved(apart)).message).toMatch(/REDIS_SENTINEL_NAME/)
  })

  it('take their master’s name from `name` only where both are given, so that a pool keeps its own', () => {
    expect(resolved(BY_VARIABLES, { name: 'auth' })).toMatchObject({ name: 'auth', sentinel: { name: 'm' } })
    expect(configError(() => resolved({ REDIS_SENTINELS: 'a' }, { name: 'auth' })).message).toMatch(
      /REDIS_SENTINEL_NAME/,
    )
    expect(resolved({}, { sentinels: ['a'], name: 'm' })).toMatchObject({ name: 'm', sentinel: { name: 'm' } })
    expect(resolved({}, { sentinels: ['a'], name: 'auth', sentinelName: 'm' })).toMatchObject({
      name: 'auth',
      sentinel: { name: 'm' },
    })
    expect(resolved({}, { sentinels: ['a'], sentinelName: 'm' })).toMatchObject({
      name: 'cenote',
      sentinel: { name: 'm' },
    })
    expect(resolved(BY_VARIABLES, { sentinelName: 'n' }).sentinel?.name).toBe('n')
  })
})
