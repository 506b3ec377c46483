import { fork } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadConfig } from '../src/config.js'
import { Passwords } from '../src/passwords.js'
import { SEED_PASSWORD, seed } from '../src/seed-accounts.js'
import { DATABASE_FILE, SqliteAccountStore } from '../src/store/sqlite.js'
import { type Account, EmailTakenError } from '../src/store/types.js'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'cenote-store-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const account = (n: number): Account => ({ id: `id${n}`, email: `u${n}@x.test`, passwordHash: 'h', createdAt: n })

describe('the account store', () => {
  test('keeps accounts across a restart, readable by its owner only', () => {
    const first = new SqliteAccountStore(dir)
    first.create(account(1))
    first.close()
    expect(statSync(join(dir, DATABASE_FILE)).mode & 0o777).toBe(0o600)
    const second = new SqliteAccountStore(dir)
    expect(second.findByEmail('u1@x.test')).toEqual(account(1))
    expect(second.findByEmail('u2@x.test')).toBeUndefined()
    second.close()
  })

  test('gives an address to one account only', () => {
    const store = new SqliteAccountStore(dir)
    store.create(account(1))
    expect(() => store.create({ ...account(2), email: 'u1@x.test' })).toThrow(EmailTakenError)
    expect(store.count()).toBe(1)
    store.close()
  })

  test('takes writes of several processes at once and loses none', async () => {
    const script = join(import.meta.dirname, 'support/write-accounts.mjs')
    const exits = await Promise.all(
      [1, 2, 3].map(
        (n) =>
          new Promise((resolve, reject) => {
            const child = fork(script, [dir, String(n), '100'])
            child.once('exit', resolve)
            child.once('error', reject)
          }),
      ),
    )
    expect(exits).toEqual([0, 0, 0])
    const store = new SqliteAccountStore(dir)
    expect(store.count()).toBe(300)
    store.close()
  })

  test('seeding creates accounts that can log in, and may be repeated', async () => {
    const config = loadConfig({ DATA_DIR: dir })
    await seed(config, 3)
    await seed(config, 5)
    const store = new SqliteAccountStore(dir)
    expect(store.count()).toBe(5)
    const stored = store.findByEmail('load0004@example.test')?.passwordHash
    store.close()
    const passwords = new Passwords({ concurrency: 1, maxQueued: 1 })
    expect(await passwords.verify(stored, SEED_PASSWORD)).toBe(true)
  })

  test('is not seeded in production unless that is asked for', async () => {
    const production = { DATA_DIR: dir, DEPLOYMENT_ENV: 'production' }
    await expect(seed(loadConfig(production), 1)).rejects.toThrow('CENOTE_AUTH_ALLOW_SEED=true')
    await seed(loadConfig({ ...production, CENOTE_AUTH_ALLOW_SEED: 'true' }), 1)
  })
})
