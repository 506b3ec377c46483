import { randomBytes } from 'node:crypto'
import { hash, verify } from '@node-rs/argon2'

/** OWASP's argon2id parameters: 19 MiB, two passes, one lane. */
const PARAMETERS = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const

/** More password checks are waiting than may wait. */
export class PasswordOverloadError extends Error {
  override readonly name = 'PasswordOverloadError'
  constructor(readonly retryAfterSeconds: number) {
    super('Too many password checks are waiting')
  }
}

export interface PasswordOptions {
  readonly concurrency: number
  readonly maxQueued: number
}

/**
 * argon2id hashing, bounded: a burst of logins queues here instead of filling libuv's threads and 19 MiB of memory for
 * every caller.
 */
export class Passwords {
  readonly #options: PasswordOptions
  readonly #queue: (() => void)[] = []
  readonly #decoy: Promise<string>
  #running = 0

  constructor(options: PasswordOptions) {
    this.#options = options
    this.#decoy = hash(randomBytes(16), PARAMETERS)
  }

  /** @throws PasswordOverloadError */
  hash(password: string): Promise<string> {
    return this.#limited(() => hash(password.normalize('NFC'), PARAMETERS))
  }

  /**
   * Whether the password matches. Without a stored hash (unknown account) the same work is done against a decoy, so that
   * the time taken does not say which accounts exist.
   *
   * @throws PasswordOverloadError
   */
  async verify(storedHash: string | undefined, password: string): Promise<boolean> {
    const target = storedHash ?? (await this.#decoy)
    const matches = await this.#limited(() => verify(target, password.normalize('NFC')))
    return matches && storedHash !== undefined
  }

  get waiting(): number {
    return this.#queue.length
  }

  async #limited<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#options.concurrency) {
      if (this.#queue.length >= this.#options.maxQueued) throw new PasswordOverloadError(1)
      // The finished caller hands its place over, so `#running` stays as it is.
      await new Promise<void>((resolve) => this.#queue.push(resolve))
    } else {
      this.#running++
    }
    try {
      return await work()
    } finally {
      const next = this.#queue.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }
}
