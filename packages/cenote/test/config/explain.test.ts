import { describe, expect, it } from 'vitest'
import { explain, explainOptions } from '../../src/config/explain.js'
import type { PoolOptions } from '../../src/config/options.js'
import type { Variables } from './support.js'

const row = (option: string, variables: Variables, given: PoolOptions = {}, url?: string) => {
  const found = explainOptions(url, given, { ...variables }).filter((one) => one.option === option)
  expect(found).toHaveLength(1)
  return [found[0]!.value, found[0]!.source]
}

describe('an explanation', () => {
  it('says for each value where it came from', () => {
    const production = { DEPLOYMENT_ENV: 'production' }
    expect(row('environment', {})).toEqual(['development', 'default'])
    expect(row('environment', production)).toEqual(['production', 'DEPLOYMENT_ENV'])
    expect(row('maxConnections', production)).toEqual([40, 'preset production'])
    expect(row('workers', production)).toEqual([4, 'preset production'])
    expect(row('workers', production, { workers: 2 })).toEqual([2, 'code'])
    expect(row('port', { REDIS_PORT: '7000' })).toEqual([7000, 'REDIS_PORT'])
    expect(row('port', { REDIS_URL: 'redis://h:1', REDIS_PORT: '7000' })).toEqual([1, 'REDIS_URL'])
    expect(row('host', { REDIS_PORT: 'tcp://10.0.0.1:1' })).toEqual(['10.0.0.1', 'REDIS_PORT'])
    expect(row('host', { REDIS_SERVICE_HOST: '10.0.0.1' })).toEqual(['10.0.0.1', 'REDIS_SERVICE_HOST'])
    expect(row('db', { REDIS_DB: '1' }, { db: 2 })).toEqual([2, 'code'])
    expect(row('db', {}, { db: 2 }, 'redis://h/3')).toEqual([3, 'URL'])
    expect(row('retry.attempts', { REDIS_RETRY_ATTEMPTS: '5' }, { retry: { factor: 2 } })).toEqual([
      5,
      'REDIS_RETRY_ATTEMPTS',
    ])
    expect(row('retry.factor', {}, { retry: { factor: 2 } })).toEqual([2, 'code'])
    expect(row('lanes', {})).toEqual([1, 'default'])
    expect(row('commandTimeoutMs', {}, { commandTimeout: 7 })).toEqual([7, 'code'])
    expect(row('maxRetriesPerRequest', {}, { maxRetriesPerRequest: null })).toEqual([null, 'code'])
    expect(row('tls', { REDIS_TLS: 'true', REDIS_TLS_SERVERNAME: 's' })).toEqual([
      'on (servername)',
      'REDIS_TLS, REDIS_TLS_SERVERNAME',
    ])
  })

  it('has every option once, and is plain data', () => {
    const rows = explainOptions(undefined, {}, {})
    expect(rows.length).toBeGreaterThan(45)
    expect(new Set(rows.map(({ option }) => option)).size).toBe(rows.length)
    expect(JSON.parse(JSON.stringify(rows))).toEqual(rows)
  })

  it('shows no secret, wherever it stands', () => {
    const secret = 's3cr3t'
    const variables = {
      REDIS_URL: `redis+sentinel://u:${secret}@h/m?sentinelPassword=${secret}`,
      REDIS_PASSWORD: secret,
    }
    expect(row('password', variables)).toEqual(['set', 'REDIS_URL'])
    expect(row('sentinelPassword', variables)).toEqual(['set', 'REDIS_URL'])
    const given: PoolOptions = {
      cluster: [{ host: 'h', password: secret, username: 'u' }],
      tls: { key: secret, passphrase: secret },
      fallback: { call: async () => secret },
      scripts: { mine: { lua: secret } },
      retryStrategy: () => secret,
      readFrom: () => undefined,
      natMap: { 'h:1': { host: secret, port: 1 } },
    }
    for (const all of [explain(undefined, {}, variables), explain(undefined, given, variables)]) {
      expect(JSON.stringify(all)).not.toContain(secret)
    }
    expect(row('tls', {}, given)).toEqual(['on (key, passphrase)', 'code'])
    expect(row('password', {}, { password: () => secret })).toEqual(['set', 'code'])
    expect(row('cluster', {}, given)).toEqual(['h:6379', 'code'])
  })

  it('tells the settings of a cluster apart', () => {
    const given: PoolOptions = { cluster: { nodes: ['a', '[::1]:1'], maxRedirections: 3 } }
    expect(row('cluster', {}, given)).toEqual(['a:6379, [::1]:1', 'code'])
    expect(row('cluster.maxRedirections', {}, given)).toEqual([3, 'code'])
  })

  it('names the variables that have no effect, and why', () => {
    const unused = (variables: Variables, given: PoolOptions = {}) =>
      Object.fromEntries(explain(undefined, given, { ...variables }).unused.map((one) => [one.variable, one.reason]))
    expect(unused({ REDIS_URL: 'redis://h/2', REDIS_HOST: 'x', REDIS_DB: '1', REDIS_SOCKET: '/s' })).toEqual({
      REDIS_HOST: 'REDIS_URL says it',
      REDIS_DB: 'REDIS_URL says it',
      REDIS_SOCKET: 'REDIS_URL names the server',
    })
    expect(unused({ REDIS_PASSWORD: 'p', REDIS_LANES: '2' }, { host: 'h', lanes: 3 })).toEqual({
      REDIS_PASSWORD: 'code names the server',
      REDIS_LANES: 'code gives lanes',
    })
    expect(unused({ REDIS_SENTINEL_NAME: 'm' })).toEqual({ REDIS_SENTINEL_NAME: 'there are no sentinels' })
    expect(unused({ REDIS_TLS: 'false', REDIS_TLS_CA_FILE: '/none' })).toEqual({ REDIS_TLS_CA_FILE: 'there is no TLS' })
    expect(unused({ REDIS_HOST: 'h', REDIS_PORT: 'tcp://10.0.0.1:1' })).toEqual({
      REDIS_PORT: 'it is injected for another server than that of REDIS_HOST',
    })
    expect(unused({ REDIS_MAX_CONNECTION: '5', REDIS_PORT_6379_TCP: 'tcp://x', REDIS_SERVICE_PORT_A: '1' })).toEqual({
      REDIS_MAX_CONNECTION: 'the pool knows no such variable',
    })
    expect(unused({ REDIS_HOST: 'h', REDIS_PORT: '1', REDIS_TLS: 'true', DEPLOYMENT_ENV: 'staging' })).toEqual({})
  })

  it('sums up what the whole deployment may hold', () => {
    const of = (variables: Variables, given: PoolOptions = {}) => explain(undefined, given, { ...variables }).deployment
    expect(of({ DEPLOYMENT_ENV: 'production' })).toEqual({
      environment: 'production',
      budget: 160,
      workers: 4,
      perProcess: 40,
      atMost: 160,
    })
    expect(of({ DEPLOYMENT_ENV: 'production', REDIS_POOL_WORKERS: '7' })).toMatchObject({ perProcess: 22, atMost: 154 })
    // Too many to share it: each needs two.
    expect(of({ DEPLOYMENT_ENV: 'production', REDIS_POOL_WORKERS: '100' })).toMatchObject({ budget: 160, atMost: 200 })
    expect(of({}, { workers: 4, maxConnections: 100 })).toMatchObject({ budget: 20, perProcess: 100, atMost: 400 })
  })
})
