import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { VARIABLES } from '../../src/config/environment.js'
import { PRESETS } from '../../src/config/presets.js'
import { resolve } from '../../src/config/resolve.js'
import { OPTION_NAMES, OWN_RULES } from '../../src/config/rules.js'
import { TLS_VARIABLES } from '../../src/config/tls.js'
import { POOL_VARIABLES, SENTINEL_VARIABLES, SERVER_VARIABLES } from '../../src/config/variables.js'
import { server } from './support.js'

const page = readFileSync(new URL('../../../../docs/configuration.md', import.meta.url), 'utf8')
const rows = (pattern: RegExp) => [...page.matchAll(pattern)].map(([, ...cells]) => cells.map((cell) => cell!.trim()))

describe('docs/configuration.md', () => {
  it('has each variable with its option and its default', () => {
    const own = { ...SERVER_VARIABLES, ...SENTINEL_VARIABLES, ...POOL_VARIABLES, REDIS_TLS: 'tls', REDIS_URL: '' }
    const details = Object.entries(TLS_VARIABLES).map(([variable, detail]) => [variable, `tls.${detail}`])
    const options: Record<string, string> = { ...own, ...Object.fromEntries(details) }
    const documented = rows(/^\| `([A-Z_]+)` \|(.*)\|(.*)\|$/gm)
    expect(documented.map(([variable]) => variable).sort()).toEqual([...VARIABLES].sort())
    for (const [variable, option, fallback] of documented) {
      const name = options[variable!]!
      expect(option, variable).toBe(name === '' ? '' : `\`${name}\``)
      const rule = OWN_RULES[name as keyof typeof OWN_RULES] as { fallback?: unknown } | undefined
      const byPreset = name === 'workers' || name === 'maxConnections'
      expect(fallback!.replaceAll('`', ''), variable).toBe(byPreset ? 'by preset' : String(rule?.fallback ?? ''))
    }
  })

  it('has the figures of the presets', () => {
    const [connections] = rows(/^\| connections of the deployment \| (\d+) \| (\d+) \| (\d+) \|$/gm)
    const [workers] = rows(/^\| `workers` \| (\d+) \| (\d+) \| (\d+) \|$/gm)
    const [shares] = rows(/^\| `maxConnections`, per worker \| (\d+) \| (\d+) \| (\d+) \|$/gm)
    for (const [index, environment] of (['development', 'staging', 'production'] as const).entries()) {
      const { options } = resolve(undefined, { environment }, {})
      expect(Number(connections![index])).toBe(PRESETS[environment].budget)
      expect(Number(workers![index])).toBe(options.workers)
      expect(Number(shares![index])).toBe(options.maxConnections)
    }
  })

  it('shows URLs that are understood', () => {
    const urls = rows(/^\| `((?:[a-z+]+:\/\/|\/)[^`]*)` \|.*\|$/gm)
    expect(urls).toHaveLength(8)
    for (const [url] of urls) expect(() => resolve(url, {}, {}), url).not.toThrow()
  })

  it('shows values that come out as it says', () => {
    const variables = { REDIS_URL: 'redis://cache/2', REDIS_PORT: '7000', REDIS_PASSWORD: 'secret' }
    expect(server(variables)).toEqual({ host: 'cache', port: 7000, db: 2, password: 'secret' })
    expect(resolve('redis://cache?keyPrefix=app:&maxQueuedCommands=1000', {}, {}).options).toMatchObject({
      keyPrefix: 'app:',
      maxQueuedCommands: 1000,
    })
  })
})

describe('the doc comments of options', () => {
  const source = ['options.ts', 'sentinel.ts', 'ioredis-options.ts']
    .map((file) => readFileSync(new URL(`../../src/config/${file}`, import.meta.url), 'utf8'))
    .join('\n')

  it('name the variable of each option that has one', () => {
    const missing = Object.entries({ ...SERVER_VARIABLES, ...SENTINEL_VARIABLES, ...POOL_VARIABLES })
      .filter(([variable]) => !source.includes(`\`${variable}\``))
      .map(([variable]) => variable)
    expect(missing).toEqual([])
  })

  it('are there for each option', () => {
    const bare = OPTION_NAMES.filter((name) => !new RegExp(`\\*/\\n {2}${name}\\?:`).test(source))
    expect(bare).toEqual([])
  })
})
