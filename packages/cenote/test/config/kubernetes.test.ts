import { describe, expect, it } from 'vitest'
import { server, type Variables } from './support.js'

/** What the kubelet sets for a service named `redis`. */
const INJECTED: Variables = {
  REDIS_SERVICE_HOST: '10.96.0.5',
  REDIS_SERVICE_PORT: '6390',
  REDIS_SERVICE_PORT_CLIENT: '6390',
  REDIS_PORT: 'tcp://10.96.0.5:6390',
  REDIS_PORT_6390_TCP: 'tcp://10.96.0.5:6390',
  REDIS_PORT_6390_TCP_PROTO: 'tcp',
  REDIS_PORT_6390_TCP_PORT: '6390',
  REDIS_PORT_6390_TCP_ADDR: '10.96.0.5',
}

describe('what Kubernetes injects for a service named redis', () => {
  it.each<[string, Variables, Record<string, unknown>]>([
    ['is the server when nobody names one', {}, { host: '10.96.0.5', port: 6390 }],
    ['keeps the credentials set beside it', { REDIS_PASSWORD: 'p' }, { host: '10.96.0.5', port: 6390, password: 'p' }],
    ['gives way to a port set as number', { REDIS_PORT: '7000' }, { host: '10.96.0.5', port: 7000 }],
    ['gives its port to the service by name', { REDIS_HOST: 'redis' }, { host: 'redis', port: 6390 }],
    ['gives it to its longer name', { REDIS_HOST: 'redis.prod.svc.cluster.local' }, { port: 6390 }],
    ['gives it to its address', { REDIS_HOST: '10.96.0.5' }, { host: '10.96.0.5', port: 6390 }],
    ['gives no port to another server', { REDIS_HOST: 'cache' }, { host: 'cache', port: 6379 }],
    ['nor to one of a similar name', { REDIS_HOST: 'redis.eu.example.com' }, { port: 6379 }],
    ['nor to that of a URL', { REDIS_URL: 'redis://cache/2' }, { host: 'cache', port: 6379, db: 2 }],
    ['gives it to the service in a URL', { REDIS_URL: 'redis://redis/2' }, { host: 'redis', port: 6390, db: 2 }],
    ['leaves the port of a URL alone', { REDIS_URL: 'redis://redis:7000' }, { host: 'redis', port: 7000 }],
    ['fills in a URL without a server', { REDIS_URL: 'redis:///2' }, { host: '10.96.0.5', port: 6390, db: 2 }],
    ['gives way to a socket', { REDIS_SOCKET: '/s' }, { path: '/s', port: 6379 }],
    ['gives way to sentinels', { REDIS_SENTINELS: 's', REDIS_SENTINEL_NAME: 'm' }, { host: 'localhost' }],
  ])('%s', (_, more, expected) => {
    expect(server({ ...INJECTED, ...more })).toMatchObject(expected)
  })

  it.each<[string, Variables, Record<string, unknown>]>([
    ['the old form alone', { REDIS_PORT: 'tcp://10.96.0.5:6390' }, { host: '10.96.0.5', port: 6390 }],
    ['with IPv6', { REDIS_PORT: 'tcp://[fd00::5]:6390' }, { host: 'fd00::5', port: 6390 }],
    ['the host alone', { REDIS_SERVICE_HOST: '10.96.0.5' }, { host: '10.96.0.5', port: 6379 }],
    ['both, which differ', { ...INJECTED, REDIS_SERVICE_PORT: '1' }, { port: 1 }],
    ['something else than TCP', { REDIS_PORT: 'udp://10.96.0.5:53' }, { host: 'localhost', port: 6379 }],
    [
      'something unreadable',
      { REDIS_PORT: 'tcp://', REDIS_SERVICE_HOST: 'a b', REDIS_SERVICE_PORT: 'x' },
      { host: 'localhost' },
    ],
    ['a port beyond all ports', { REDIS_PORT: 'tcp://h:99999', REDIS_SERVICE_PORT: '99999' }, { port: 6379 }],
  ])('is never an error: %s', (_, variables, expected) => {
    expect(server(variables)).toMatchObject(expected)
  })

  it('is for services of other names, too, nothing to stumble over', () => {
    const others = ['SENTINEL', 'CLUSTER', 'TLS', 'MASTER', 'SOCKET', 'DB', 'POOL'].flatMap((name) =>
      Object.entries(INJECTED).map(([key, value]) => [key.replace('REDIS_', `REDIS_${name}_`), value]),
    )
    expect(server(Object.fromEntries(others))).toEqual({ host: 'localhost', port: 6379, db: 0 })
  })

  it('does not matter once code names a server', () => {
    expect(server(INJECTED, { host: 'h' })).toEqual({ host: 'h', port: 6379, db: 0 })
  })
})
