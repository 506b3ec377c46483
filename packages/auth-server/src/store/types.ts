export interface Account {
  readonly id: string
  /** Normalised: trimmed, lower case. */
  readonly email: string
  readonly passwordHash: string
  /** Milliseconds since the epoch. */
  readonly createdAt: number
}

export class EmailTakenError extends Error {
  override readonly name = 'EmailTakenError'
  constructor() {
    super('An account with this e-mail address exists already')
  }
}

/** Where accounts are kept. All of it is durable once the call returns. */
export interface AccountStore {
  /** @throws EmailTakenError */
  create(account: Account): void
  findByEmail(email: string): Account | undefined
  /** Creates the accounts, or gives existing ones the new password hash, all or none. */
  upsertAll(accounts: Iterable<Account>): number
  count(): number
  /** Throws when the store cannot answer. */
  ping(): void
  close(): void
}

export function normalizeEmail(email: string): string {
  return email.trim().normalize('NFC').toLowerCase()
}
