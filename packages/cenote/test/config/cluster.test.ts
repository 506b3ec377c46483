import { Cluster, type ClusterOptions as TheirClusterOptions } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { parseClusterNodes } from '../../src/config/cluster.js'
import { type ClusterOptions, clusterArguments } from '../../src/config/cluster-arguments.js'
import type { PoolOptions } from '../../src/config/options.js'
import type { ReadFromFunction } from '../../src/config/read-from.js'
import { configError, everythingOf, resolved, type Variables } from './support.js'

const cluster = (given: PoolOptions, variables: Variables = {}, url?: string) => resolved(variables, given, url).cluster

describe('the nodes of a cluster', () => {
  it.each<[string, unknown, object[]]>([
    [
      'ports',
      [7000, '7001'],
      [
        { host: '127.0.0.1', port: 7000 },
        { host: '127.0.0.1', port: 7001 },
      ],
    ],
    [
      'objects',
      [{ host: 'a', port: '1' }, { host: 'b' }, { port: 2 }],
      [
        { host: 'a', port: 1 },
        { host: 'b', port: 6379 },
        { host: '127.0.0.1', port: 2 },
      ],
    ],
    [
      'texts',
      ['a', 'b:1', '[::1]:2'],
      [
        { host: 'a', port: 6379 },
        { host: 'b', port: 1 },
        { host: '::1', port: 2 },
      ],
    ],
    [
      'URLs',
      ['redis://a:1', 'redis://b/5'],
      [
        { host: 'a', port: 1 },
        { host: 'b', port: 6379 },
      ],
    ],
    [
      'one text',
      'a,b:1',
      [
        { host: 'a', port: 6379 },
        { host: 'b', port: 1 },
      ],
    ],
    [
      'one text of URLs',
      'redis://:a,b@a,redis://:a,b@b:1',
      [
        { host: 'a', port: 6379 },
        { host: 'b', port: 1 },
      ],
    ],
    ['doubles', ['a', 'a:6379'], [{ host: 'a', port: 6379 }]],
    [
      'a database, which is dropped',
      [{ host: 'a', db: 5 }, 'redis://b?db=3'],
      [
        { host: 'a', port: 6379 },
        { host: 'b', port: 6379 },
      ],
    ],
  ])('may be %s', (_, given, expected) => {
    expect(parseClusterNodes(given).nodes).toEqual(expected)
  })

  it.each([[7000], ['7001'], ['h:7000'], ['redis://h:7000/3'], [{ host: 'h', port: '7000', db: 3 }], [{ port: 7000 }]])(
    'are read as ioredis reads them: %j',
    async (node) => {
      const { normalizeNodeOptions } = (await import('ioredis/built/cluster/util.js')) as unknown as {
        normalizeNodeOptions: (nodes: unknown[]) => { host: string; port: number }[]
      }
      const [theirs] = normalizeNodeOptions([node])
      expect(parseClusterNodes([node]).nodes).toEqual([theirs])
    },
  )

  it('may say what holds for all of them, below what stands beside them', () => {
    const options = resolved({}, { cluster: ['rediss://u:p@a?family=6', { host: 'b', password: 'p' }] })
    expect(options).toMatchObject({ username: 'u', password: 'p', tls: true, family: 6, db: 0 })
    expect(resolved({}, { cluster: ['redis://u:p@a'], password: 'q' })).toMatchObject({ username: 'u', password: 'q' })
  })

  it.each<[unknown, RegExp]>([
    [[], /list of at least one node/],
    ['', /list of at least one node/],
    [[null], /cluster\[0\] must be a URL, host:port/],
    [['a:b'], /cluster\[0\] cannot be parsed/],
    [['unix:///s'], /cluster\[0\] must name one server/],
    [['redis://:s3cr3t@a', 'redis://:s3cr3t2@b'], /cluster\[1\]\.password differs from that of an earlier node/],
    [['redis://:s3cr3t%@a'], /not well percent-encoded/],
    [[{ host: 'a', hots: 1 }], /Unknown option hots/],
    [{ nodes: ['a'], maxRedirects: 1 }, /Unknown key in cluster: maxRedirects; did you mean maxRedirections/],
    [{ nodes: ['a'], maxRedirections: -1 }, /cluster\.maxRedirections must be/],
    [{ maxRedirections: 1 }, /cluster\.nodes must be a list/],
  ])('that are wrong are refused: %j', (given, message) => {
    const error = configError(() => cluster({ cluster: given as never }))
    expect(error.message).toMatch(message)
    expect(everythingOf(error)).not.toContain('s3cr3t')
  })

  it('come by URL', () => {
    const options = resolved({}, {}, 'rediss+cluster://u:p@h1,h2:7001?readFrom=replica&maxReplicaLagMs=9')
    expect(options).toMatchObject({ username: 'u', password: 'p', tls: true, readFrom: 'replica', maxReplicaLagMs: 9 })
    expect(options.cluster?.nodes).toEqual([
      { host: 'h1', port: 6379 },
      { host: 'h2', port: 7001 },
    ])
  })

  it('come by variables', () => {
    const variables = { REDIS_CLUSTER_NODES: 'h1,h2:7001', REDIS_PASSWORD: 'p', REDIS_READ_FROM: 'prefer-replica' }
    const options = resolved(variables)
    expect(options).toMatchObject({ password: 'p', readFrom: 'prefer-replica' })
    expect(options.cluster?.nodes).toHaveLength(2)
    expect(configError(() => resolved({ ...variables, REDIS_READ_FROM: 'nearest' })).message).toMatch(/REDIS_READ_FROM/)
  })

  it('are one database, by whatever way another is asked for', () => {
    const refused = /must be left out: a cluster has only database 0; use keyPrefix/
    expect(configError(() => cluster({ cluster: ['a'], db: 2 })).message).toMatch(refused)
    expect(configError(() => cluster({}, {}, 'redis+cluster://a/2')).message).toMatch(refused)
    const { message } = configError(() => cluster({}, { REDIS_CLUSTER_NODES: 'a', REDIS_DB: '2' }))
    expect(message).toMatch(/db \(2, from REDIS_DB\) must be left out/)
    expect(cluster({}, {}, 'redis+cluster://a/0')?.nodes).toHaveLength(1)
  })
})

describe('the arguments of new Cluster(nodes, options) of ioredis', () => {
  const made = (nodes: unknown, options?: object) => resolved({}, clusterArguments(nodes as never, options))

  it('mean the same here, with its defaults but for the refreshing of slots', () => {
    const theirs = new Cluster([{ host: 'a' }], { lazyConnect: true })
    theirs.disconnect()
    const { cluster: ours, readFrom } = made([{ host: 'a' }])
    const { options } = theirs
    expect(ours).toMatchObject({
      maxRedirections: options.maxRedirections,
      slotsRefreshTimeoutMs: options.slotsRefreshTimeout,
      movedDelayMs: options.retryDelayOnMoved,
      failoverDelayMs: options.retryDelayOnFailover,
      clusterDownDelayMs: options.retryDelayOnClusterDown,
      tryAgainDelayMs: options.retryDelayOnTryAgain,
      useSRVRecords: options.useSRVRecords,
      slotsRefreshIntervalMs: 60_000,
    })
    for (const times of [1, 50, 5_000]) expect(ours?.retryStrategy?.(times)).toBe(options.clusterRetryStrategy?.(times))
    expect(readFrom).toBe('primary')
  })

  it('are all taken, those of its own read back too', () => {
    const theirs = new Cluster([7000], {
      lazyConnect: true,
      redisOptions: {
        password: 'p',
        tls: { servername: 's' },
        keyPrefix: 'k:',
        connectTimeout: 7,
        maxRetriesPerRequest: null,
      },
      slotsRefreshInterval: 9,
      scaleReads: 'slave',
      shardedSubscribers: true,
      clusterNodeRetryStrategy: () => 1,
      natMap: { '10.0.0.1:1': { host: 'x', port: 2 } },
    })
    theirs.disconnect()
    const options = made((theirs as unknown as { startupNodes: unknown }).startupNodes, theirs.options)
    expect(options).toMatchObject({
      password: 'p',
      tls: { servername: 's' },
      keyPrefix: 'k:',
      connectTimeoutMs: 7,
      maxRetriesPerRequest: null,
      lazyConnect: true,
      readFrom: 'prefer-replica',
    })
    expect(options.cluster).toMatchObject({
      nodes: [{ host: '127.0.0.1', port: 7000 }],
      slotsRefreshIntervalMs: 9,
      natMap: { '10.0.0.1:1': { host: 'x', port: 2 } },
    })
  })

  it('outrank redisOptions, whose address, database and strategy do not count', () => {
    const redisOptions = { host: 'x', port: 1, db: 4, retryStrategy: null, password: 'p', keyPrefix: 'inner:' }
    const options = made(['a'], { redisOptions: Object.create(redisOptions), password: 'q', keyPrefix: 'outer:' })
    expect(options).toMatchObject({ db: 0, password: 'q', keyPrefix: 'outer:', host: 'localhost' })
    expect(options.retryStrategy).toBeTypeOf('function')
    expect(made(['a'], { redisOptions, keyPrefix: '' }).keyPrefix).toBe('inner:')
  })

  it('map scaleReads: slave falls back on the primary there, so it is prefer-replica', () => {
    expect(made(['a'], { scaleReads: 'master' }).readFrom).toBe('primary')
    expect(made(['a'], { scaleReads: 'slave' }).readFrom).toBe('prefer-replica')
    const choose = () => undefined
    expect(made(['a'], { scaleReads: choose }).readFrom).toBe(choose)
    const any = made(['a'], { scaleReads: 'all' }).readFrom as ReadFromFunction
    const candidates = ['primary', 'replica'].map((role) => ({ role }) as never)
    const chosen = new Set(Array.from({ length: 100 }, () => any(candidates, { name: 'get' })))
    expect(chosen).toEqual(new Set(candidates))
    expect(made(['a'], { scaleReads: 'slave', readFrom: 'replica' }).readFrom).toBe('replica')
    expect(configError(() => made(['a'], { scaleReads: 'replica' })).message).toMatch(/readFrom is its other name/)
  })

  it('have types that fit', () => {
    const theirs: Omit<TheirClusterOptions, 'scaleReads'> = {}
    const ours: ClusterOptions = theirs
    expect(made(['a'], ours).readFrom).toBe('primary')
  })

  it('that nobody knows are refused', () => {
    expect(configError(() => made(['a'], { maxRedirects: 1 })).message).toMatch(/Unknown option maxRedirects/)
    expect(configError(() => made(['a'], { redisOptions: 1 })).message).toMatch(/redisOptions must be an object/)
    expect(configError(() => clusterArguments(['a'], [] as never)).message).toMatch(/must be an object/)
  })
})
