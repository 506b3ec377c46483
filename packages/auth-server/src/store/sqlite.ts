import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'libsql'
import { type Account, type AccountStore, EmailTakenError } from './types.js'

export const DATABASE_FILE = 'accounts.db'

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS accounts (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID`

interface Row {
  id: string
  email: string
  password_hash: string
  created_at: number
}

/**
 * Accounts in one SQLite file, shared by all workers of a machine: write-ahead log, so readers never wait for a writer;
 * writers wait for each other up to five seconds.
 */
export class SqliteAccountStore implements AccountStore {
  readonly #db: Database.Database
  readonly #insert: Database.Statement
  readonly #upsert: Database.Statement
  readonly #byEmail: Database.Statement
  readonly #count: Database.Statement
  readonly #ping: Database.Statement

  constructor(dataDir: string) {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    const path = join(dataDir, DATABASE_FILE)
    this.#db = new Database(path)
    chmodSync(path, 0o600)
    this.#db.pragma('busy_timeout = 5000')
    this.#db.pragma('journal_mode = WAL')
    this.#db.exec(SCHEMA)
    const values = 'INSERT INTO accounts (id, email, password_hash, created_at) VALUES (?, ?, ?, ?)'
    this.#insert = this.#db.prepare(values)
    this.#upsert = this.#db.prepare(
      `${values} ON CONFLICT (email) DO UPDATE SET password_hash = excluded.password_hash`,
    )
    this.#byEmail = this.#db.prepare('SELECT id, email, password_hash, created_at FROM accounts WHERE email = ?')
    this.#ping = this.#db.prepare('SELECT 1')
    this.#count = this.#db.prepare('SELECT count(*) AS n FROM accounts')
  }

  create(account: Account): void {
    try {
      this.#insert.run(account.id, account.email, account.passwordHash, account.createdAt)
    } catch (error) {
      if ((error as { code?: string }).code === 'SQLITE_CONSTRAINT_UNIQUE') throw new EmailTakenError()
      throw error
    }
  }

  findByEmail(email: string): Account | undefined {
    const row = this.#byEmail.get(email) as Row | undefined
    if (row === undefined) return undefined
    return { id: row.id, email: row.email, passwordHash: row.password_hash, createdAt: row.created_at }
  }

  upsertAll(accounts: Iterable<Account>): number {
    let written = 0
    this.#db.transaction(() => {
      for (const account of accounts) {
        this.#upsert.run(account.id, account.email, account.passwordHash, account.createdAt)
        written++
      }
    })()
    return written
  }

  count(): number {
    return (this.#count.get() as { n: number }).n
  }

  ping(): void {
    this.#ping.get()
  }

  close(): void {
    this.#db.close()
  }
}
