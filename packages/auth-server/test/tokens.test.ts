import { createHmac, createPrivateKey, generateKeyPairSync, sign } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import { loadConfig } from '../src/config.js'
import { loadKeys } from '../src/keys.js'
import { AccessTokens } from '../src/tokens.js'

const dir = mkdtempSync(join(tmpdir(), 'cenote-tokens-'))
const keys = loadKeys(loadConfig({ DATA_DIR: dir }))
const options = { issuer: 'https://issuer.test', audience: 'api', lifetimeSeconds: 60, cacheSize: 3 }
afterAll(() => rmSync(dir, { recursive: true, force: true }))
afterEach(() => {
  vi.useRealTimers()
})

const now = () => Math.floor(Date.now() / 1000)
const header = { alg: 'ES256', typ: 'at+jwt', kid: keys.signing.kid }
const claims = () => ({ iss: 'https://issuer.test', aud: 'api', sub: 'a', sid: 's', iat: now(), exp: now() + 60 })
const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A token put together by hand, well signed unless told otherwise. */
function forge(head: object, body: object, key = createPrivateKey(keys.signing.pem)): string {
  const input = `${encode(head)}.${encode(body)}`
  return `${input}.${sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}

function without(name: string): object {
  const all: Record<string, unknown> = claims()
  delete all[name]
  return all
}

describe('access tokens', () => {
  test('what was issued verifies, and says who and which session', () => {
    const tokens = new AccessTokens(keys, options)
    const verified = tokens.verify(tokens.issue('account', 'session'))
    expect(verified).toMatchObject({ sub: 'account', sid: 'session' })
    expect(verified.exp - verified.iat).toBe(60)
  })

  test('the hand-made token of these tests is good, so each case below fails for its own reason', () => {
    expect(new AccessTokens(keys, options).verify(forge(header, claims()))).toMatchObject({ sub: 'a' })
  })

  const foreign = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const hs256 = (secret: string) => {
    const input = `${encode({ ...header, alg: 'HS256' })}.${encode(claims())}`
    return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
  }
  const cases: [string, () => string][] = [
    ['alg none without a signature', () => `${encode({ ...header, alg: 'none' })}.${encode(claims())}.`],
    ['alg none with a signature', () => forge({ ...header, alg: 'none' }, claims())],
    ['HS256 keyed with the public key', () => hs256(keys.verifying[0]!.pem)],
    ['HS256 keyed with the public key, trimmed', () => hs256(keys.verifying[0]!.pem.trim())],
    ['another key', () => forge(header, claims(), foreign)],
    [
      'its own key in the header',
      () => forge({ ...header, jwk: foreign.export({ format: 'jwk' }) }, claims(), foreign),
    ],
    ['no signature', () => forge(header, claims()).replace(/\.[^.]*$/, '.')],
    ['a changed payload', () => forge(header, claims()).replace(/\.[^.]+\./, `.${encode({ ...claims(), sub: 'b' })}.`)],
    ['another type', () => forge({ ...header, typ: 'JWT' }, claims())],
    ['an unknown critical header', () => forge({ ...header, crit: ['exp2'], exp2: 1 }, claims())],
    ['a wrong issuer', () => forge(header, { ...claims(), iss: 'https://other.test' })],
    ['a wrong audience', () => forge(header, { ...claims(), aud: 'other' })],
    ['exp as text', () => forge(header, { ...claims(), exp: '9999999999' })],
    ['exp null', () => forge(header, { ...claims(), exp: null })],
    ['no exp', () => forge(header, without('exp'))],
    ['no iss', () => forge(header, without('iss'))],
    ['no aud', () => forge(header, without('aud'))],
    ['no sub', () => forge(header, without('sub'))],
    ['no sid', () => forge(header, without('sid'))],
    ['sid not text', () => forge(header, { ...claims(), sid: ['s'] })],
    ['expired', () => forge(header, { ...claims(), iat: now() - 120, exp: now() - 60 })],
    ['a claims list instead of an object', () => forge(header, [1])],
    ['nothing', () => ''],
    ['no dots', () => 'abc'],
    ['endless', () => `${forge(header, claims())}${'a'.repeat(5000)}`],
  ]
  test.each(cases)('with %s it is refused, the second time too', (_name, make) => {
    const tokens = new AccessTokens(keys, options)
    const token = make()
    for (let i = 0; i < 2; i++) expect(() => tokens.verify(token)).toThrow(/not valid|has expired/)
  })

  test('the signature is checked before the claims: a forged expired token is invalid, not expired', () => {
    const token = forge(header, { ...claims(), exp: now() - 60 }, foreign)
    expect(() => new AccessTokens(keys, options).verify(token)).toThrow('not valid')
  })

  test('a remembered token expires on time', () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    const tokens = new AccessTokens(keys, options)
    const token = tokens.issue('a', 's')
    const { exp } = tokens.verify(token)
    vi.setSystemTime(exp * 1000 - 1)
    expect(tokens.verify(token)).toMatchObject({ sub: 'a' })
    vi.setSystemTime(exp * 1000)
    expect(() => tokens.verify(token)).toThrow('has expired')
    expect(() => new AccessTokens(keys, options).verify(token)).toThrow('has expired')
  })

  test('more tokens than the memory holds all verify', () => {
    const tokens = new AccessTokens(keys, options)
    const issued = Array.from({ length: 10 }, (_, i) => tokens.issue(`a${i}`, 's'))
    for (let round = 0; round < 2; round++) {
      issued.forEach((token, i) => {
        expect(tokens.verify(token).sub).toBe(`a${i}`)
      })
    }
  })
})
