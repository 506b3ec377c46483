import { readFileSync } from 'node:fs'
import { Redis, type RedisOptions } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { type ConstructorArgument, inheritOptions, readArguments } from '../../src/config/arguments.js'
import type { PoolOptions, ResolvedOptions } from '../../src/config/options.js'
import { resolve } from '../../src/config/resolve.js'
import { OPTION_NAMES } from '../../src/config/rules.js'
import { configError, everythingOf, resolved } from './support.js'

/** The options of a pool made with these arguments, by the way a pool takes them. */
function ours(...args: ConstructorArgument[]): ResolvedOptions {
  const { url, given } = readArguments(args)
  return resolve(url, given, {}).options
}

function theirs(...args: unknown[]): Record<string, unknown> {
  const client = new (Redis as unknown as new (...args: unknown[]) => Redis)(...args)
  client.disconnect()
  return client.options as Record<string, unknown>
}

const LAZY = { lazyConnect: true }

describe('the arguments of a pool, the first of which wins as in ioredis', () => {
  it.each<unknown[]>([
    ['redis://h/3', { db: 5, host: 'other', port: 1 }],
    ['redis://h', { db: 5, port: 1 }],
    ['redis://h?db=4&port=9', { db: 5 }],
    ['redis://h:7/2?db=4&port=9', { db: 5 }],
    ['redis://u:p@h', { username: 'x', password: 'y' }],
    ['rediss://h', {}],
    ['rediss://h', { tls: { servername: 'x' } }],
    ['redis://h', { tls: { servername: 'x' } }],
    ['/x.sock?db=2', { db: 3 }],
    ['redis://h', { path: '/x' }],
    ['//h:7/2', {}],
    [6390, {}],
    ['6390', {}],
    [6390, { port: 4 }],
    [6390, 'h', { db: 4, host: 'other' }],
    [6390, 'h:1', { db: 4 }],
    [6390, 'redis://h:1/2', { db: 4 }],
    [{ db: 1 }, 'redis://h:1/2'],
    [null, { db: 2 }],
    [undefined, { db: 2 }],
    [{ host: 'h', port: '7000', db: '3' }],
    [Object.create({ host: 'inherited', db: 1 })],
    [Object.assign(Object.create(null), { host: 'bare', db: 1 })],
    [Object.assign(Object.create({ host: 'inherited', db: 1 }), { db: 2 })],
  ])('%j %j', (...args) => {
    const own = ours(...(args as ConstructorArgument[])) as unknown as Record<string, unknown>
    const other = theirs(...args, LAZY)
    for (const key of ['host', 'port', 'db', 'path', 'tls']) expect(own[key], key).toEqual(other[key])
    for (const key of ['username', 'password']) expect(own[key] ?? null, key).toEqual(other[key])
  })

  /** Two values of each option that a URL can say, neither the default. */
  const values: Readonly<Record<string, readonly [string, unknown, unknown]>> = {
    family: ['6', 6, 4],
    connectTimeout: ['700', 700, 800],
    commandTimeout: ['700', 700, 800],
    keepAlive: ['700', 700, 800],
    blockingTimeout: ['700', 700, 800],
    connectionName: ['by-url', 'by-url', 'by-options'],
    clientInfoTag: ['by-url', 'by-url', 'by-options'],
    keyPrefix: ['by-url', 'by-url', 'by-options'],
    name: ['by-url', 'by-url', 'by-options'],
    username: ['by-url', 'by-url', 'by-options'],
    password: ['by-url', 'by-url', 'by-options'],
    maxRetriesPerRequest: ['7', 7, null],
    db: ['7', 7, 8],
    role: ['slave', 'slave', 'master'],
    sentinelUsername: ['by-url', 'by-url', 'by-options'],
    sentinelPassword: ['by-url', 'by-url', 'by-options'],
    sentinelMaxConnections: ['7', 7, 8],
    sentinelCommandTimeout: ['7', 7, 8],
    ...Object.fromEntries(
      ['noDelay', 'enableOfflineQueue', 'lazyConnect', 'readOnly', 'stringNumbers', 'autoResubscribe'].flatMap(
        (key) => [[key, ['true', true, false]]],
      ),
    ),
  }
  it.each(Object.entries(values))('the parameter %s outranks the option', (key, [text, byUrl, byOptions]) => {
    const own = ours(`redis://h?${key}=${text}`, { [key]: byOptions }) as unknown as Record<string, unknown>
    const other = theirs(`redis://h?${key}=${text}`, { ...LAZY, [key]: byOptions })
    expect(own[key]).toEqual(byUrl)
    // ioredis leaves parameters as the text they are.
    expect(String(other[key])).toBe(String(byUrl))
  })

  it('credentials fill in what the URL lacks, where ioredis sends an empty password', () => {
    expect(ours('redis://user@h', { password: 'p' })).toMatchObject({ username: 'user', password: 'p' })
    expect(ours('redis://:p@h', { username: 'user' })).toMatchObject({ username: 'user', password: 'p' })
    expect(theirs('redis://user@h', { ...LAZY, password: 'p' })).toMatchObject({ password: '' })
  })

  it('a user name without a password is kept', () => {
    expect(ours({ username: 'user' }).username).toBe('user')
    expect(ours('redis://user@h').username).toBe('user')
    expect(ours('redis://h?username=user').username).toBe('user')
  })

  it('empty texts and null mean that nothing is given', () => {
    const nothing = { host: '', path: '', username: '', password: '', name: null, connectionName: null, tls: null }
    expect(ours(nothing as PoolOptions)).toEqual(ours())
  })
})

describe('options', () => {
  it('have a server on localhost by default, as those of ioredis', () => {
    expect(ours().host).toBe(theirs(LAZY).host)
    expect(ours().port).toBe(theirs(LAZY).port)
  })

  it('with inherited keys work as plain ones, nested too', () => {
    const retry = Object.create({ attempts: 5 })
    const tls = Object.create({ servername: 'x' })
    const options = ours(Object.create({ retry, tls, commandTimeoutMs: 7 }) as PoolOptions)
    expect(options).toMatchObject({ retry: { attempts: 5, factor: 8 }, commandTimeoutMs: 7 })
    // What dials spreads them.
    expect({ ...(options.tls as object) }).toEqual({ servername: 'x' })
  })

  it('of a class compiled to a function do not bring its methods along', () => {
    function Config(this: { host: string }) {
      this.host = 'h'
    }
    Config.prototype.read = () => undefined
    const config = new (Config as unknown as new () => PoolOptions)()
    expect(ours(config).host).toBe('h')
  })

  it('are not what somebody put on Object.prototype', () => {
    Object.defineProperty(Object.prototype, 'db', {
      value: 9,
      enumerable: true,
      configurable: true,
      writable: true,
    })
    try {
      expect(ours({ host: 'h' }).db).toBe(0)
    } finally {
      delete (Object.prototype as { db?: number }).db
    }
  })

  it('without a prototype are refused by name, not by a crash', () => {
    const odd = Object.assign(Object.create(null), { x: 1 })
    for (const key of OPTION_NAMES) {
      const run = () => ours(Object.assign(Object.create(null), { [key]: odd, name: 'm' }))
      // Some options are objects whose keys are anybody's.
      if (['tls', 'scripts', 'sentinelTLS', 'name'].includes(key)) run()
      else expect(configError(run).message, key).toContain(key)
    }
  })

  it('read back from a pool make the same pool, in any environment', () => {
    const elsewhere = { REDIS_URL: 'rediss://u:p@elsewhere/5', REDIS_TLS: 'true', DEPLOYMENT_ENV: 'production' }
    for (const given of [
      {},
      { host: 'h', tls: false, password: '' },
      { path: '/x.sock', retry: { attempts: 1 }, environment: 'staging' as const },
      { sentinels: ['h'], name: 'm', tls: { servername: 'x' }, sentinelTLS: true, role: 'slave' as const },
      { sentinels: [{ host: 'h' }], name: 'pool', sentinelName: 'm', natMap: { 'a:1': { host: 'b', port: 2 } } },
      { cluster: { nodes: [7000], maxRedirections: 3 }, readFrom: 'replica' as const },
    ]) {
      const first = resolved({}, given)
      const second = resolved(elsewhere, first as PoolOptions)
      expect(second).toEqual(first)
      expect(resolved(elsewhere, inheritOptions(first as PoolOptions, {}))).toEqual(first)
    }
  })

  it('of a duplicate are those of its original, but for what it says itself', () => {
    const base = resolved({}, { host: 'h', commandTimeoutMs: 7, password: 'p' }) as PoolOptions
    expect(resolved({}, inheritOptions(base, { commandTimeout: 9 }))).toMatchObject({ commandTimeoutMs: 9, host: 'h' })
    expect(resolved({}, inheritOptions(base, Object.create({ db: 4 })))).toMatchObject({ db: 4, password: 'p' })
    const watched = resolved({}, { sentinels: ['h'], name: 'm' }) as PoolOptions
    expect(resolved({}, inheritOptions(watched, { sentinels: ['other'] })).sentinel?.nodes).toEqual([
      { host: 'other', port: 26_379 },
    ])
  })

  it('of ioredis have types that fit', () => {
    const theirs: RedisOptions = { host: 'h' }
    const ours: PoolOptions = theirs
    expect(resolved({}, ours).host).toBe('h')
  })

  it('of ioredis are all taken', () => {
    const types = readFileSync(new URL(import.meta.resolve('ioredis/built/redis/RedisOptions.d.ts')), 'utf8')
    const named = [...types.matchAll(/^ {4}(\w+)\?: /gm)].map(([, name]) => name!)
    expect(named.length).toBeGreaterThan(30)
    expect(named.filter((name) => !OPTION_NAMES.includes(name))).toEqual([])
    const defaults = theirs(LAZY) as RedisOptions
    expect(Object.keys(defaults).filter((name) => !OPTION_NAMES.includes(name))).toEqual([])
  })

  it.each<[PoolOptions, RegExp]>([
    [{ hots: 'x' } as PoolOptions, /Unknown option hots; /],
    [{ sentinel: { nodes: [] } } as PoolOptions, /Unknown option sentinel; did you mean sentinels/],
    [{ retry: { attemps: 1 } } as PoolOptions, /Unknown option retry\.attemps; did you mean retry\.attempts/],
    [{ retry: 3 as never }, /retry must be an object/],
    [{ host: 'redis://:s3cr3t@h' }, /host must be a host name/],
    [{ host: 'h:6379' }, /port goes into port/],
    [{ port: 'abc' }, /port must be a whole number from 1 to 65535/],
    [{ port: '0x10' }, /port must be a whole number/],
    [{ family: 5 }, /family must be one of 0, 4, 6/],
    [{ protocol: 4 as never }, /protocol must be one of 2, 3/],
    [{ environment: 'prod' as never }, /environment must be one of development, staging, production/],
    [{ password: 5 as never }, /password must be a string or a function/],
    [{ tls: 'yes' as never }, /tls must be true or an object/],
    [{ fallback: (() => 1) as never }, /fallback must be a client with a method call/],
    [{ lanes: 20 }, /lanes \(20\) must be below maxConnections \(20, from preset development\)/],
    [{ minConnections: 20 }, /minConnections \(20\) exceeds maxConnections − lanes \(19\)/],
    [{ commandTimeout: 1, commandTimeoutMs: 2 }, /contradict each other; give only commandTimeoutMs/],
    [{ commandTimeout: 1.5 }, /commandTimeout must be a whole number/],
    [{ Connector: class {} }, /Connector must be left out: connections are opened by the pool/],
    [{ readFrom: 'nearest' as never }, /readFrom must be one of primary, prefer-replica, replica, or a function/],
    [{ readFrom: 'replica' }, /needs sentinels or cluster/],
    [{ maxReplicaLagMs: -1 }, /maxReplicaLagMs must be a whole number/],
  ])('%j are refused', (given, message) => {
    const error = configError(() => ours(given))
    expect(error.message).toMatch(message)
    expect(everythingOf(error)).not.toContain('s3cr3t')
  })

  it.each<[string, PoolOptions, RegExp]>([
    ['rediss://h', { tls: false }, /tls is false; write redis:\/\/, or leave tls out/],
    ['redis://h', { cluster: ['h'] }, /not both/],
    ['redis://h?hots=1', {}, /Unknown URL parameter hots/],
    ['redis://h?retry=3', {}, /retry can be given in code only/],
    ['redis://h?retryStrategy=3', {}, /retryStrategy can be given in code only/],
    ['redis://h?lazyConnect=maybe', {}, /lazyConnect must be true or false/],
    ['redis://h:0', {}, /port must be/],
  ])('%s with %j is refused', (url, given, message) => {
    expect(configError(() => ours(url, given)).message).toMatch(message)
  })
})
