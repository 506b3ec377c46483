import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseUrl } from '../../src/config/url.js'
import { configError, everythingOf } from './support.js'

describe('a URL', () => {
  it.each([
    ['redis://h', { host: 'h' }],
    ['redis://h:7000/3', { host: 'h', port: '7000', db: '3' }],
    ['redis://h/', { host: 'h' }],
    ['redis://h:', { host: 'h' }],
    [' redis://h\n', { host: 'h' }],
    ['REDIS://h', { host: 'h' }],
    ['h', { host: 'h' }],
    ['h:7000/2', { host: 'h', port: '7000', db: '2' }],
    ['//h:7000/2', { host: 'h', port: '7000', db: '2' }],
    ['redis://', {}],
    ['redis:///3', { db: '3' }],
    ['redis://:7000', { port: '7000' }],
    ['redis://user@h', { host: 'h', username: 'user' }],
    ['redis://user:@h', { host: 'h', username: 'user' }],
    ['redis://:pw@h', { host: 'h', password: 'pw' }],
    ['redis://u:p%40%2F%3A@h', { host: 'h', username: 'u', password: 'p@/:' }],
    ['redis://u:p@ss:w@h', { host: 'h', username: 'u', password: 'p@ss:w' }],
    ['redis://u:wörd@h', { host: 'h', username: 'u', password: 'wörd' }],
    ['redis://u:a+b@h', { host: 'h', username: 'u', password: 'a+b' }],
    ['rediss://h', { host: 'h', tls: true }],
    ['valkey://h', { host: 'h' }],
    ['valkeys://h', { host: 'h', tls: true }],
    ['redis://[::1]:7000', { host: '::1', port: '7000' }],
    ['redis://[::1]', { host: '::1' }],
    ['redis://10.0.0.1:7000', { host: '10.0.0.1', port: '7000' }],
    ['unix:///run/r.sock', { path: '/run/r.sock' }],
    ['unix://user:pw@/run/r.sock', { path: '/run/r.sock', username: 'user', password: 'pw' }],
    ['unix:///run/a%20b@c.sock', { path: '/run/a b@c.sock' }],
    ['redis+unix:///run/r.sock', { path: '/run/r.sock' }],
    ['/run/r.sock', { path: '/run/r.sock' }],
    [
      'redis+sentinel://u:p@h1:26379,h2/mymaster/2',
      {
        sentinels: [{ host: 'h1', port: '26379' }, { host: 'h2' }],
        sentinelName: 'mymaster',
        db: '2',
        username: 'u',
        password: 'p',
      },
    ],
    [
      'rediss+sentinel://[::1]:26379/m%2F1',
      { sentinels: [{ host: '::1', port: '26379' }], sentinelName: 'm/1', tls: true, sentinelTLS: true },
    ],
    ['redis+cluster://h1,h2:7001', { cluster: [{ host: 'h1' }, { host: 'h2', port: '7001' }] }],
    ['rediss+cluster://:pw@h1/0', { cluster: [{ host: 'h1' }], password: 'pw', db: '0', tls: true }],
  ])('%j is understood', (url, expected) => {
    expect(parseUrl(url)).toEqual({ ...expected, parameters: {} })
  })

  it.each([
    ['redis://h?family=6&name=a%20b', { family: '6', name: 'a b' }],
    ['/run/r.sock?db=2', { db: '2' }],
    ['unix:///run/r.sock?db=2', { db: '2' }],
    ['redis+sentinel://h/m?sentinelUsername=u+v', { sentinelUsername: 'u v' }],
    ['redis://h?', {}],
    ['redis://h?connectionName', { connectionName: '' }],
  ])('%j has its parameters', (url, parameters) => {
    expect(parseUrl(url)).toMatchObject({ parameters })
  })

  it.each([
    ['http://h', /scheme http:\/\/; expected redis:\/\//],
    ['redis://h/x', /database number/],
    ['redis://h/1/2', /database number/],
    ['redis://h:port', /cannot be parsed; expected redis/],
    ['redis://h:1:2', /cannot be parsed/],
    ['redis://a b', /cannot be parsed/],
    ['redis://[::1', /cannot be parsed/],
    ['redis://h1,h2', /several hosts.*redis\+sentinel:\/\/ or redis\+cluster:\/\//],
    ['redis+cluster://', /names no server/],
    ['redis+cluster://h1,,h2', /cannot be parsed/],
    ['redis+sentinel:///mymaster', /names no server/],
    ['redis+sentinel://h/m/x', /\/mymaster/],
    ['unix://run/r.sock', /three slashes/],
    ['unix://', /three slashes/],
    ['redis://u:100%@h', /password in the Redis URL is not well percent-encoded.*%25/],
    ['redis://u:%ff@h', /password.*not well percent-encoded/],
    ['redis://%zz:p@h', /user name.*not well percent-encoded/],
    ['redis://h?password=100%', /not well percent-encoded/],
  ])('%j is refused, saying what to do', (url, message) => {
    expect(configError(() => parseUrl(url)).message).toMatch(message)
  })

  it.each(['redis://u:12/34@h', 'redis://u:12?34@h', 'redis://u:12#34@h', 'redis://u:12#34', 'redis://u:p@1?s=3@h'])(
    'whose password is not encoded (%s) goes to no other server',
    (url) => {
      expect(configError(() => parseUrl(url)).message).toMatch(/%2F|%23/)
    },
  )
})

describe('a password in a URL', () => {
  const secret = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 })

  it('comes out as it was, whatever it is made of, when it was encoded', () => {
    fc.assert(
      fc.property(secret, secret, (username, password) => {
        const parsed = parseUrl(`redis://${encodeURIComponent(username)}:${encodeURIComponent(password)}@h:1/2`)
        expect(parsed).toEqual({ username, password, host: 'h', port: '1', db: '2', parameters: {} })
      }),
    )
  })

  it('is never quoted when the URL is refused, encoded or not', () => {
    const characters = fc.constantFrom(...'abZ09%@:/?#&=[]<>" \\^|+,.'.split(''))
    const raw = fc.string({ unit: characters, minLength: 1, maxLength: 12 }).map((text) => `s3cr3t${text}s3cr3t`)
    const around = fc.constantFrom(
      'redis://u:PW@h',
      'redis://:PW@h:x',
      'unix://u:PW@/s',
      'u:PW@h/z',
      'redis+sentinel://:PW@/m',
    )
    fc.assert(
      fc.property(raw, around, (password, url) => {
        try {
          parseUrl(url.replace('PW', () => password))
        } catch (error) {
          expect(everythingOf(error as Error)).not.toContain('s3cr3t')
        }
      }),
      { numRuns: 2_000 },
    )
  })
})
