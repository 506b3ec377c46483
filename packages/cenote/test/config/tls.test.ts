import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PoolOptions } from '../../src/config/options.js'
import { configError, everythingOf, resolved, type Variables } from './support.js'

let folder = ''
const pem = (what: string) => `-----BEGIN ${what}-----\nMIIB\n-----END ${what}-----\n`
const file = (name: string) => join(folder, name)
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cenote-tls-'))
  for (const name of ['ca', 'cert', 'key']) writeFileSync(file(name), pem(name))
  writeFileSync(file('empty'), '')
})
afterAll(() => rmSync(folder, { recursive: true }))

const CA = () => ({ REDIS_TLS_CA_FILE: file('ca') })
const PAIR = () => ({ REDIS_TLS_CERT_FILE: file('cert'), REDIS_TLS_KEY_FILE: file('key') })
const tls = (variables: Variables, given?: PoolOptions, url?: string) => resolved(variables, given, url).tls

describe('TLS', () => {
  it('is switched by REDIS_TLS', () => {
    expect(tls({ REDIS_TLS: 'true' })).toBe(true)
    expect(tls({ REDIS_TLS: '1' })).toBe(true)
    expect(tls({ REDIS_TLS: 'false' })).toBeUndefined()
    expect(tls({ REDIS_TLS: '0' })).toBeUndefined()
    expect(tls({})).toBeUndefined()
    expect(configError(() => tls({ REDIS_TLS: 'yes' })).message).toBe('REDIS_TLS must be true or false')
  })

  it('takes its files by variables, which ask for it by themselves', () => {
    expect(tls(CA())).toEqual({ ca: pem('ca') })
    expect(tls({ ...CA(), ...PAIR() })).toEqual({ ca: pem('ca'), cert: pem('cert'), key: pem('key') })
    expect(tls({ REDIS_TLS_SERVERNAME: 'cache' })).toEqual({ servername: 'cache' })
    expect(tls({ ...CA(), REDIS_TLS: 'false' })).toBeUndefined()
  })

  it('is not switched on by REDIS_TLS_REJECT_UNAUTHORIZED, which says only how', () => {
    expect(tls({ REDIS_TLS_REJECT_UNAUTHORIZED: 'false' })).toBeUndefined()
    expect(tls({ REDIS_TLS_REJECT_UNAUTHORIZED: 'false', REDIS_TLS: 'true' })).toEqual({ rejectUnauthorized: false })
    expect(tls({ REDIS_TLS_REJECT_UNAUTHORIZED: 'true', REDIS_URL: 'rediss://h' })).toEqual({
      rejectUnauthorized: true,
    })
  })

  it('of a rediss:// URL outranks REDIS_TLS, and is refined by the other variables', () => {
    expect(tls({ REDIS_URL: 'rediss://h', REDIS_TLS: 'false' })).toBe(true)
    expect(tls({ REDIS_URL: 'rediss://h', ...CA() })).toEqual({ ca: pem('ca') })
    expect(tls({ REDIS_URL: 'redis://h', REDIS_TLS: 'true' })).toBe(true)
    expect(tls({ REDIS_URL: 'redis://h?tls=false', ...CA() })).toBeUndefined()
    expect(tls({ REDIS_URL: 'redis://h?tls=true', ...CA() })).toEqual({ ca: pem('ca') })
  })

  it('in code replaces that of the environment as a whole, so that no variable weakens it', () => {
    const variables = { ...CA(), REDIS_TLS_REJECT_UNAUTHORIZED: 'false' }
    expect(tls(variables, { tls: { servername: 'x' } })).toEqual({ servername: 'x' })
    expect(tls(variables, { tls: false })).toBeUndefined()
    expect(tls(variables, { tls: true })).toEqual({ ca: pem('ca'), rejectUnauthorized: false })
    expect(tls({ REDIS_TLS: 'false', ...CA() }, { tls: true })).toEqual({ ca: pem('ca') })
    expect(tls(variables, { host: 'h', tls: true })).toBe(true)
  })

  it.each<[() => Variables, RegExp]>([
    [() => ({ REDIS_TLS_CA_FILE: '/no/such/file' }), /REDIS_TLS_CA_FILE names a file that cannot be read: ENOENT/],
    [() => ({ REDIS_TLS_CA_FILE: folder }), /REDIS_TLS_CA_FILE names a file that cannot be read: EISDIR/],
    [() => ({ REDIS_TLS_CA_FILE: file('empty') }), /REDIS_TLS_CA_FILE names a file that holds no PEM text/],
    [() => ({ REDIS_TLS_CERT_FILE: file('cert') }), /REDIS_TLS_CERT_FILE and REDIS_TLS_KEY_FILE belong together/],
    [() => ({ REDIS_TLS_KEY_FILE: pem('s3cr3t') }), /REDIS_TLS_KEY_FILE must be the path of a PEM file/],
    [() => ({ REDIS_TLS: 'true', REDIS_TLS_REJECT_UNAUTHORIZED: 'no' }), /REDIS_TLS_REJECT_UNAUTHORIZED must be true/],
  ])('by variables that cannot be used is refused (%#)', (variables, message) => {
    const error = configError(() => tls(variables()))
    expect(error.message).toMatch(message)
    expect(everythingOf(error)).not.toContain('s3cr3t')
  })
})
