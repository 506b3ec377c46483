import { type Config, ConfigError } from './config.js'
import { Passwords } from './passwords.js'
import { randomId } from './sessions.js'
import { SqliteAccountStore } from './store/sqlite.js'
import type { Account } from './store/types.js'

export const SEED_PASSWORD = 'correct horse battery staple'

/** load0000@example.test and so on; `.test` can never be somebody's address. */
export function seedEmail(index: number): string {
  return `load${String(index).padStart(4, '0')}@example.test`
}

/**
 * Creates accounts for load tests: one hash for all, one transaction. Existing ones get the password.
 *
 * @throws ConfigError in production, unless CENOTE_AUTH_ALLOW_SEED is set.
 */
export async function seed(config: Config, count: number, password: string = SEED_PASSWORD): Promise<void> {
  if (!config.allowSeed) {
    throw new ConfigError(
      'Seeding makes accounts with a known password; to do that here set CENOTE_AUTH_ALLOW_SEED=true',
    )
  }
  const passwordHash = await new Passwords({ concurrency: 1, maxQueued: 0 }).hash(password)
  const createdAt = Date.now()
  function* accounts(): Generator<Account> {
    for (let index = 0; index < count; index++) {
      yield { id: randomId(), email: seedEmail(index), passwordHash, createdAt }
    }
  }
  const store = new SqliteAccountStore(config.dataDir)
  try {
    store.upsertAll(accounts())
  } finally {
    store.close()
  }
}
