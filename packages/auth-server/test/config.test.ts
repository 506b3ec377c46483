import { describe, expect, test } from 'vitest'
import { ConfigError, loadConfig, variables } from '../src/config.js'

describe('configuration', () => {
  test('an empty environment is development, and the result cannot be changed', () => {
    const config = loadConfig({})
    expect(config).toMatchObject({ environment: 'development', host: '127.0.0.1', port: 3000, workers: 1 })
    expect(Object.isFrozen(config)).toBe(true)
  })

  test.each([
    ['staging', 2],
    ['production', 4],
  ])('%s has %i workers unless WORKERS says otherwise', (DEPLOYMENT_ENV, workers) => {
    expect(loadConfig({ DEPLOYMENT_ENV }).workers).toBe(workers)
    expect(loadConfig({ DEPLOYMENT_ENV, WORKERS: '7' }).workers).toBe(7)
  })

  test.each([
    ['DEPLOYMENT_ENV', 'prod'],
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['PORT', '80x'],
    ['WORKERS', '0'],
    ['LOG_LEVEL', 'loud'],
    ['CENOTE_AUTH_LOGIN_LIMIT_ACCOUNT', '10'],
    ['CENOTE_AUTH_LOGIN_LIMIT_ACCOUNT', '0/60'],
    ['CENOTE_AUTH_TRUST_PROXY', 'maybe'],
  ])('%s=%s is refused with an error that names both', (variable, value) => {
    expect(() => loadConfig({ [variable]: value })).toThrow(ConfigError)
    expect(() => loadConfig({ [variable]: value })).toThrow(variable)
    expect(() => loadConfig({ [variable]: value })).toThrow(value)
  })

  test('a misspelt setting is refused with the list of those that exist', () => {
    expect(() => loadConfig({ CENOTE_AUTH_AUDIENCES: 'x' })).toThrow(/CENOTE_AUTH_AUDIENCES.*CENOTE_AUTH_AUDIENCE,/)
  })

  test('settings that contradict each other are refused', () => {
    expect(() => loadConfig({ CENOTE_AUTH_PRIVATE_KEY: 'a', CENOTE_AUTH_PRIVATE_KEY_FILE: 'b' })).toThrow('not both')
    expect(() =>
      loadConfig({ CENOTE_AUTH_REFRESH_TOKEN_SECONDS: '100', CENOTE_AUTH_SESSION_MAX_SECONDS: '99' }),
    ).toThrow('CENOTE_AUTH_SESSION_MAX_SECONDS')
  })

  test('the docs name every variable', async () => {
    const { readFileSync } = await import('node:fs')
    const page = readFileSync(new URL('../../../docs/auth-service.md', import.meta.url), 'utf8')
    expect(variables.filter((variable) => !page.includes(`\`${variable}\``))).toEqual([])
  })
})
