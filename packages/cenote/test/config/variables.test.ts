import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PoolOptions } from '../../src/config/options.js'
import { resolve } from '../../src/config/resolve.js'
import { POOL_VARIABLES } from '../../src/config/variables.js'
import { configError, everythingOf, resolved, server, type Variables } from './support.js'

/** What each URL of the table below contains. */
const URLS: Readonly<Record<string, Record<string, unknown>>> = {
  '': {},
  'redis://uh': { host: 'uh' },
  'redis://uu:up@uh:7001/3': { host: 'uh', port: 7001, db: 3, username: 'uu', password: 'up' },
  'redis://uu@/4': { username: 'uu', db: 4 },
  'redis://:7001': { port: 7001 },
  'rediss://uh': { host: 'uh', tls: true },
  'unix://uu@/u.sock?db=5': { path: '/u.sock', username: 'uu', db: 5 },
  'redis+sentinel://us/um': { sentinels: 'us', sentinelName: 'um' },
  'redis+cluster://uc': { cluster: 'uc' },
}

/** What code may give. */
const CODE: readonly Record<string, unknown>[] = [
  {},
  { db: 7 },
  { password: 'cp', tls: false },
  { host: 'ch' },
  { port: 7009, password: 'cp' },
  { path: '/c.sock' },
  { sentinels: 'cs', sentinelName: 'cm' },
  { cluster: 'cc' },
]

const VALUES = {
  REDIS_URL: Object.keys(URLS),
  REDIS_HOST: ['', 'vh'],
  REDIS_PORT: ['', '7002', 'tcp://10.96.0.5:6390'],
  REDIS_SOCKET: ['', '/v.sock'],
  REDIS_PASSWORD: ['', 'vp'],
  REDIS_DB: ['', '6'],
  REDIS_TLS: ['', 'true'],
  REDIS_SENTINELS: ['', 'vs'],
  REDIS_CLUSTER_NODES: ['', 'vc'],
} as const

type Row = Record<keyof typeof VALUES, string>

function* rows(): Generator<Row> {
  const names = Object.keys(VALUES) as (keyof typeof VALUES)[]
  const total = names.reduce((product, name) => product * VALUES[name].length, 1)
  for (let index = 0; index < total; index++) {
    const row = {} as Row
    let rest = index
    for (const name of names) {
      row[name] = VALUES[name][rest % VALUES[name].length]!
      rest = Math.floor(rest / VALUES[name].length)
    }
    yield row
  }
}

const ADDRESS = ['host', 'port', 'path', 'sentinels', 'cluster']
const names = (said: Record<string, unknown>) => ADDRESS.some((key) => said[key] !== undefined)

/**
 * The rule of docs/configuration.md once more, written from the page: who may speak for each value, first come first
 * served. Undefined: refused.
 */
function expected(row: Row, code: Record<string, unknown>): Record<string, unknown> | undefined {
  const url = URLS[row.REDIS_URL]!
  const first = (...candidates: unknown[]) => candidates.find((value) => value !== undefined && value !== '')
  let said: Record<string, unknown>
  if (names(code)) said = code
  else {
    said = { ...url }
    if (!names(url)) {
      if (row.REDIS_SENTINELS && row.REDIS_CLUSTER_NODES) return undefined
      if (row.REDIS_SENTINELS) said.sentinels = row.REDIS_SENTINELS
      else if (row.REDIS_CLUSTER_NODES) said.cluster = row.REDIS_CLUSTER_NODES
      else if (row.REDIS_SOCKET) said.path = row.REDIS_SOCKET
    }
    if (!(said.sentinels ?? said.cluster ?? said.path)) {
      const injected = row.REDIS_PORT.startsWith('tcp')
      said.host = first(said.host, row.REDIS_HOST, injected ? '10.96.0.5' : undefined)
      const own = injected ? undefined : row.REDIS_PORT
      said.port = first(said.port, own && Number(own), injected && said.host === '10.96.0.5' ? 6390 : undefined)
    }
    said.password = first(code.password, url.password, row.REDIS_PASSWORD)
    said.db = first(code.db, url.db, row.REDIS_DB && Number(row.REDIS_DB))
    said.tls = first(code.tls, url.tls, row.REDIS_TLS === 'true' || undefined)
    if (said.sentinels === 'vs') said.sentinelName = 'vm'
  }
  const db = said.db ?? 0
  if (said.cluster && db !== 0) return undefined
  return {
    host: said.host ?? 'localhost',
    port: said.port ?? 6379,
    path: said.path,
    db,
    username: said.username,
    password: said.password,
    tls: said.tls || undefined,
    sentinel: said.sentinels && `${said.sentinels}/${said.sentinelName}`,
    cluster: said.cluster,
  }
}

function actual(row: Row, code: Record<string, unknown>): Record<string, unknown> | undefined {
  try {
    const { host, port, path, db, username, password, tls, sentinel, cluster } = resolve(
      undefined,
      code as PoolOptions,
      {
        ...row,
        REDIS_SENTINEL_NAME: 'vm',
      },
    ).options
    return {
      host,
      port,
      path,
      db,
      username,
      password,
      tls,
      sentinel: sentinel && `${sentinel.nodes[0]!.host}/${sentinel.name}`,
      cluster: cluster?.nodes[0]?.host,
    }
  } catch (error) {
    if ((error as { code?: string }).code === 'CENOTE_CONFIG') return undefined
    throw error
  }
}

describe('the server that variables and code name', () => {
  it.each(CODE)('with %j in code is by the rule, in every combination of the variables', (code) => {
    const wrong: string[] = []
    let count = 0
    for (const row of rows()) {
      count++
      const [is, should] = [JSON.stringify(actual(row, code)), JSON.stringify(expected(row, code))]
      if (is !== should) wrong.push(`${JSON.stringify(row)}: ${is}, not ${should}`)
    }
    expect(wrong.slice(0, 3)).toEqual([])
    expect(count).toBe(9 * 2 * 3 * 2 * 2 * 2 * 2 * 2 * 2)
  })

  it('is the one of each variable by itself (they were ignored once there was REDIS_HOST)', () => {
    const variables = {
      REDIS_HOST: 'h',
      REDIS_PORT: '7000',
      REDIS_USERNAME: 'u',
      REDIS_PASSWORD: 'p',
      REDIS_DB: '3',
      REDIS_TLS: 'true',
    }
    const all = { host: 'h', port: 7000, db: 3, username: 'u', password: 'p', tls: true }
    expect(server(variables)).toEqual(all)
  })

  it('in code never gets the credentials, the database or the TLS of another', () => {
    const variables: Variables = {
      REDIS_URL: 'redis://u:p@elsewhere/5?username=u2&readFrom=replica',
      REDIS_PASSWORD: 'p2',
      REDIS_TLS: 'true',
      REDIS_READ_FROM: 'prefer-replica',
      REDIS_SENTINEL_PASSWORD: 'p3',
      REDIS_SENTINEL_TLS: 'true',
    }
    expect(server(variables, { port: 7000 })).toEqual({ host: 'localhost', port: 7000, db: 0 })
    expect(server(variables, {}, 'redis://h')).toEqual({ host: 'h', port: 6379, db: 0 })
    const { sentinel } = resolved(variables, { sentinels: ['s'], name: 'm' })
    expect(sentinel).toMatchObject({ password: undefined, tls: undefined })
  })

  it('that is not used is not looked at, so it cannot be wrong', () => {
    const broken = {
      REDIS_URL: 'http://x',
      REDIS_PORT: 'x',
      REDIS_DB: '-1',
      REDIS_TLS: 'x',
      REDIS_TLS_CA_FILE: '/none',
    }
    expect(server(broken, { host: 'h' })).toEqual({ host: 'h', port: 6379, db: 0 })
    expect(server({ REDIS_DB: 'x' }, { db: 2 })).toMatchObject({ db: 2 })
    expect(resolved({ DEPLOYMENT_ENV: 'x' }, { environment: 'staging' }).environment).toBe('staging')
  })

  it('is understood with spaces and line ends around it, which only a password keeps', () => {
    const variables = {
      REDIS_HOST: ' h\n',
      REDIS_PORT: '7000 ',
      REDIS_TLS: 'true ',
      REDIS_PASSWORD: ' p\n',
      REDIS_DB: ' ',
    }
    expect(server(variables)).toEqual({ host: 'h', port: 7000, db: 0, tls: true, password: ' p\n' })
    expect(server({ REDIS_URL: 'redis://h/2\n' })).toMatchObject({ host: 'h', db: 2 })
  })

  it('comes from REDIS_URL as far as that contains it', () => {
    expect(resolved({ REDIS_URL: 'redis://h?commandTimeoutMs=7', REDIS_COMMAND_TIMEOUT_MS: '9' })).toMatchObject({
      commandTimeoutMs: 7,
    })
    expect(resolved({ REDIS_URL: 'redis://h', REDIS_COMMAND_TIMEOUT_MS: '9' })).toMatchObject({ commandTimeoutMs: 9 })
    expect(resolved({ REDIS_URL: 'redis://h?commandTimeout=7' }, { commandTimeoutMs: 11 })).toMatchObject({
      commandTimeoutMs: 11,
    })
  })
})

/** A good value of each variable for the pool, what it makes, and a bad one. */
const SETTINGS: Readonly<Record<string, readonly [good: string, value: unknown, bad: string]>> = {
  DEPLOYMENT_ENV: ['staging', 'staging', 'prod'],
  REDIS_POOL_WORKERS: ['3', 3, '0'],
  REDIS_MAX_CONNECTIONS: ['33', 33, '1'],
  REDIS_MIN_CONNECTIONS: ['2', 2, '-1'],
  REDIS_LANES: ['2', 2, '65'],
  REDIS_COMMAND_TIMEOUT_MS: ['700', 700, '5s'],
  REDIS_CONNECT_TIMEOUT_MS: ['700', 700, '0'],
  REDIS_ACQUIRE_TIMEOUT_MS: ['700', 700, '1.5'],
  REDIS_HEALTH_CHECK_INTERVAL_MS: ['0', 0, 'NaN'],
  REDIS_IDLE_TIMEOUT_MS: ['0', 0, 'Infinity'],
  REDIS_MAX_LIFETIME_MS: ['0', 0, '1e3'],
  REDIS_RETRY_ATTEMPTS: ['1', 1, '0'],
  REDIS_LEAK_DETECTION_MS: ['700', 700, '9999999999'],
  REDIS_CLIENT_NAME: ['billing', 'billing', ''],
}

const read = (variables: Variables, option: string, given: PoolOptions = {}): unknown =>
  resolve(undefined, given, { ...variables }).settings.get(option as never)?.value

describe('variables for the pool', () => {
  it('are all tried here', () => {
    expect(Object.keys(SETTINGS)).toEqual(Object.keys(POOL_VARIABLES))
  })

  it.each(Object.entries(SETTINGS))('%s counts alone and with every other', (variable, [good, value]) => {
    const option = POOL_VARIABLES[variable]!
    expect(read({ [variable]: good }, option)).toEqual(value)
    for (const [other, [theirGood]] of Object.entries(SETTINGS)) {
      const both = { [other]: theirGood, [variable]: good }
      expect(read(both, option), other).toEqual(value)
    }
    expect(read({ [variable]: '' }, option), 'empty is not set').toEqual(read({}, option))
  })

  it.each(Object.entries(SETTINGS).filter(([, [, , bad]]) => bad !== ''))(
    '%s refuses what it cannot use, by name',
    (variable, [, , bad]) => {
      const { message } = configError(() => resolved({ [variable]: bad }))
      expect(message).toContain(variable)
      expect(message).toMatch(/must be (a whole number from \d+ to \d+|one of development, staging, production)/)
    },
  )

  it.each(Object.entries(POOL_VARIABLES).filter(([variable]) => variable !== 'REDIS_RETRY_ATTEMPTS'))(
    '%s gives way to the option in code, %s',
    (variable, option) => {
      const [good, value] = SETTINGS[variable]!
      const other = typeof value === 'number' ? value + 4 : option === 'environment' ? 'production' : 'other'
      expect(read({ [variable]: good }, option, { [option]: other })).toEqual(other)
    },
  )

  it('and code each set their own fields of retry', () => {
    const { retry } = resolved({ REDIS_RETRY_ATTEMPTS: '5' }, { retry: { factor: 2 } })
    expect(retry).toEqual({ attempts: 5, baseDelayMs: 8, factor: 2, maxDelayMs: 512, budget: 2_000 })
    expect(resolved({ REDIS_RETRY_ATTEMPTS: '5' }, { retry: { attempts: 1 } }).retry.attempts).toBe(1)
  })

  it('hold whichever server code names', () => {
    expect(resolved({ REDIS_LANES: '2' }, { host: 'h' }).lanes).toBe(2)
  })

  it('for the preset decide what each worker may hold', () => {
    const share = (variables: Variables) => resolved(variables).maxConnections
    expect(share({})).toBe(20)
    expect(share({ DEPLOYMENT_ENV: 'staging' })).toBe(30)
    expect(share({ DEPLOYMENT_ENV: 'production' })).toBe(40)
    expect(share({ DEPLOYMENT_ENV: 'production', REDIS_POOL_WORKERS: '8' })).toBe(20)
    expect(share({ DEPLOYMENT_ENV: 'production', REDIS_POOL_WORKERS: '200' })).toBe(2)
    expect(share({ DEPLOYMENT_ENV: 'production', REDIS_MAX_CONNECTIONS: '7' })).toBe(7)
  })
})

describe('any environment at all', () => {
  const anything = fc.string({ unit: 'binary', maxLength: 30 })
  const likely = fc.oneof(
    anything,
    fc.constantFrom(
      'true',
      'false',
      '1',
      '0',
      '7000',
      'h',
      'h:1',
      'redis://s3cr3t:s3cr3t@h/1',
      'tcp://10.0.0.1:1',
      '::1',
    ),
  )
  const variables = fc.dictionary(
    fc
      .constantFrom(
        ...['URL', 'HOST', 'PORT', 'SOCKET', 'USERNAME', 'PASSWORD', 'DB', 'TLS', 'TLS_CA_FILE', 'TLS_SERVERNAME'],
        ...['SENTINELS', 'SENTINEL_NAME', 'SENTINEL_TLS', 'CLUSTER_NODES', 'READ_FROM', 'SERVICE_HOST', 'SERVICE_PORT'],
      )
      .map((name) => `REDIS_${name}`),
    likely,
  )

  it('gives options, or a ConfigError that shows no secret', () => {
    fc.assert(
      fc.property(variables, (given) => {
        try {
          resolve(undefined, {}, given)
        } catch (error) {
          expect(error).toMatchObject({ code: 'CENOTE_CONFIG' })
          expect(everythingOf(error as Error)).not.toContain('s3cr3t')
        }
      }),
      { numRuns: 500 },
    )
  })
})
