import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadConfig } from '../src/config.js'
import { KEY_FILE, loadKeys } from '../src/keys.js'
import { AccessTokens } from '../src/tokens.js'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'cenote-keys-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const pemOf = (curve: string) =>
  generateKeyPairSync('ec', { namedCurve: curve }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

describe('the signing key', () => {
  test('is created once in development, for its owner alone, and found again', () => {
    const config = loadConfig({ DATA_DIR: join(dir, 'fresh') })
    const first = loadKeys(config)
    expect(statSync(join(dir, 'fresh', KEY_FILE)).mode & 0o777).toBe(0o600)
    expect(readdirSync(join(dir, 'fresh'))).toEqual([KEY_FILE])
    expect(loadKeys(config)).toEqual(first)
  })

  test('must be given in production, and nothing is created there', () => {
    const config = loadConfig({ DEPLOYMENT_ENV: 'production', DATA_DIR: dir })
    expect(() => loadKeys(config)).toThrow(/must be given: set CENOTE_AUTH_PRIVATE_KEY_FILE/)
    expect(readdirSync(dir)).toEqual([])
  })

  test('is taken from a file or the environment in production', () => {
    const pem = pemOf('P-256')
    const file = join(dir, 'k.pem')
    writeFileSync(file, pem)
    const production = { DEPLOYMENT_ENV: 'production', DATA_DIR: dir }
    const fromFile = loadKeys(loadConfig({ ...production, CENOTE_AUTH_PRIVATE_KEY_FILE: file }))
    // Environment files hold one line per variable, so newlines may come as \n.
    const oneLine = pem.replaceAll('\n', '\\n')
    expect(loadKeys(loadConfig({ ...production, CENOTE_AUTH_PRIVATE_KEY: oneLine }))).toEqual(fromFile)
  })

  test('of another kind is refused, and no message quotes it', () => {
    const p384 = pemOf('P-384')
    expect(() => loadKeys(loadConfig({ CENOTE_AUTH_PRIVATE_KEY: p384 }))).toThrow('must be EC P-256')
    const garbage = 'my secret, pasted in the wrong place'
    try {
      loadKeys(loadConfig({ CENOTE_AUTH_PRIVATE_KEY: garbage }))
      expect.unreachable()
    } catch (error) {
      expect(String(error)).toContain('not a key in PEM form')
      expect(String(error)).not.toContain(garbage)
    }
  })

  test('shows only its public half in the JWKS', () => {
    const { verifying } = loadKeys(loadConfig({ DATA_DIR: dir }))
    expect(Object.keys(verifying[0]!.jwk).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
  })

  test('may change: tokens of a retired key are accepted as long as it is listed', () => {
    const options = { issuer: 'i', audience: 'a', lifetimeSeconds: 60, cacheSize: 10 }
    const old = loadKeys(loadConfig({ CENOTE_AUTH_PRIVATE_KEY: pemOf('P-256') }))
    const token = new AccessTokens(old, options).issue('account', 'session')
    const previous = join(dir, 'previous.pem')
    writeFileSync(previous, old.verifying[0]!.pem)
    const next = { CENOTE_AUTH_PRIVATE_KEY: pemOf('P-256') }

    const both = loadKeys(loadConfig({ ...next, CENOTE_AUTH_PREVIOUS_KEYS_FILE: previous }))
    expect(both.verifying).toHaveLength(2)
    expect(new AccessTokens(both, options).verify(token)).toMatchObject({ sub: 'account', sid: 'session' })
    expect(new AccessTokens(both, options).verify(new AccessTokens(both, options).issue('b', 's'))).toBeTruthy()
    expect(() => new AccessTokens(loadKeys(loadConfig(next)), options).verify(token)).toThrow('not valid')
    expect(readFileSync(previous, 'utf8')).not.toContain('PRIVATE')
  })
})
