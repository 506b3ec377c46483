import { createHash, randomBytes } from 'node:crypto'
import { type RedisLike, redisFailure } from './redis/like.js'
import { createScript, endAllScript, endScript, listScript, rotateScript } from './session-scripts.js'

export interface SessionOwner {
  readonly accountId: string
  readonly email: string
  /** Where the login came from, for the owner to recognise it. */
  readonly address: string
  readonly userAgent: string
}

/** What a session check learns: enough for an answer without asking the account store. */
export interface SessionRecord {
  readonly email: string
  /** Milliseconds since the epoch. */
  readonly createdAt: number
}

export interface SessionSummary {
  readonly id: string
  readonly createdAt: number
  readonly refreshedAt: number
  readonly address: string
  readonly userAgent: string
}

export interface IssuedSession {
  readonly accountId: string
  readonly sessionId: string
  readonly refreshToken: string
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

export type RefreshResult = { readonly ok: true; readonly session: IssuedSession } | RefreshRefusal
export type RefreshRefusal = { readonly ok: false; readonly reason: 'unknown' | 'reused'; readonly accountId?: string }

export interface SessionOptions {
  readonly refreshTokenSeconds: number
  readonly sessionMaxSeconds: number
  readonly maxSessionsPerAccount: number
}

/** `account.session.family.secret`: three times 128 bits and 256 bits, base64url. */
const REFRESH_TOKEN = /^([\w-]{22})\.([\w-]{22})\.([\w-]{22})\.([\w-]{43})$/

/** A 128-bit identifier that needs no escaping in a key, a URL or a token. */
export function randomId(): string {
  return randomBytes(16).toString('base64url')
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}

/**
 * Sessions and their refresh families in Redis. A session is one family: one login, one current refresh token.
 *
 * A refresh token carries a family secret that stays and a token secret that changes with each rotation; Redis holds
 * hashes of both. Right family, wrong token: only somebody who once held a token of this family can present that, so
 * it is a reuse, however long ago. Nothing has to be kept about tokens that were rotated away, and a forger who knows
 * no family secret can end nobody's session.
 */
export class Sessions {
  readonly #redis: RedisLike
  readonly #options: SessionOptions

  constructor(redis: RedisLike, options: SessionOptions) {
    this.#redis = redis
    this.#options = options
  }

  /** @throws RedisUnavailableError */
  async create(owner: SessionOwner): Promise<IssuedSession> {
    const now = Date.now()
    const sessionId = randomId()
    const family = randomId()
    const refreshToken = this.#token(owner.accountId, sessionId, family)
    const expiresAt = now + this.#options.refreshTokenSeconds * 1000
    const max = this.#options.maxSessionsPerAccount
    await createScript.run(
      this.#redis,
      indexKey(owner.accountId),
      ...[sessionPrefix(owner.accountId), sessionId, now, expiresAt, max],
      ...['email', owner.email, 'created', now, 'refreshed', now],
      ...['family', digest(family), 'token', digest(refreshToken)],
      ...['address', owner.address, 'agent', owner.userAgent],
    )
    return { accountId: owner.accountId, sessionId, refreshToken, expiresAt }
  }

  /** One round trip; undefined when the session has ended. @throws RedisUnavailableError */
  async check(accountId: string, sessionId: string): Promise<SessionRecord | undefined> {
    let email: string | null | undefined
    let created: string | null | undefined
    try {
      ;[email, created] = await this.#redis.hmget(sessionPrefix(accountId) + sessionId, 'email', 'created')
    } catch (error) {
      throw redisFailure(error)
    }
    if (typeof email !== 'string') return undefined
    return { email, createdAt: Number(created) }
  }

  /**
   * Exchanges a refresh token for the next one. Presenting one a second time ends its session.
   *
   * @throws RedisUnavailableError; with outcome `unknown` the token may have been used up.
   */
  async refresh(refreshToken: string): Promise<RefreshResult> {
    const parts = REFRESH_TOKEN.exec(refreshToken)
    if (parts === null) return { ok: false, reason: 'unknown' }
    const [, accountId, sessionId, family] = parts as unknown as [string, string, string, string]
    const next = this.#token(accountId, sessionId, family)
    const { refreshTokenSeconds, sessionMaxSeconds } = this.#options
    const expiresAt = Number(
      await rotateScript.run(
        this.#redis,
        indexKey(accountId),
        ...[sessionPrefix(accountId), sessionId, digest(family), digest(refreshToken), digest(next)],
        ...[Date.now(), refreshTokenSeconds * 1000, sessionMaxSeconds * 1000],
      ),
    )
    if (expiresAt === -1) return { ok: false, reason: 'reused', accountId }
    if (expiresAt <= 0) return { ok: false, reason: 'unknown' }
    return { ok: true, session: { accountId, sessionId, refreshToken: next, expiresAt } }
  }

  /** All live sessions of the account, or undefined when the caller's own has ended. @throws RedisUnavailableError */
  async list(accountId: string, ownId: string): Promise<SessionSummary[] | undefined> {
    const rows = await listScript.run(this.#redis, indexKey(accountId), sessionPrefix(accountId), ownId)
    if (!Array.isArray(rows)) return undefined
    const sessions: SessionSummary[] = []
    for (let i = 0; i < rows.length; i += 5) {
      const [id, created, refreshed, address, userAgent] = rows.slice(i, i + 5) as [
        string,
        string,
        string,
        string,
        string,
      ]
      sessions.push({ id, createdAt: Number(created), refreshedAt: Number(refreshed), address, userAgent })
    }
    return sessions
  }

  /** False when there is no such session; undefined when the caller's own has ended. @throws RedisUnavailableError */
  async end(accountId: string, ownId: string, id: string): Promise<boolean | undefined> {
    const ended = await endScript.run(this.#redis, indexKey(accountId), sessionPrefix(accountId), ownId, id)
    return ended === -1 ? undefined : Number(ended) > 0
  }

  /** How many sessions ended; undefined when the caller's own already had. @throws RedisUnavailableError */
  async endAll(accountId: string, ownId: string): Promise<number | undefined> {
    const ended = await endAllScript.run(this.#redis, indexKey(accountId), sessionPrefix(accountId), ownId)
    return ended === -1 ? undefined : Number(ended)
  }

  #token(accountId: string, sessionId: string, family: string): string {
    return `${accountId}.${sessionId}.${family}.${randomBytes(32).toString('base64url')}`
  }
}

function indexKey(accountId: string): string {
  return `auth:{${accountId}}:sessions`
}

function sessionPrefix(accountId: string): string {
  return `auth:{${accountId}}:session:`
}
