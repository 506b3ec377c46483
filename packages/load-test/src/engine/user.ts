import type { RequestSpec } from '../http/call.js'
import type { Operation } from '../operations.js'

export interface Account {
  readonly email: string
  readonly password: string
}

const JSON_HEADERS = ['content-type', 'application/json']

/** Renew when this share of the access token's life is over, as a careful client does. */
const RENEW_AT = 0.8

/**
 * A person with a session. Requests are built once per token, not once per use.
 *
 * A refresh whose reply never came may have used up the refresh token on the server. Presenting it again would look
 * like theft and cost the whole session, so the user keeps the access token, stops refreshing (`doubtful`), and logs in
 * again when that runs out.
 */
export class VirtualUser {
  readonly account: Account
  loggedIn = false
  /** A refresh is under way. */
  refreshing = false
  doubtful = false
  /** ms of `performance.now()`; Infinity while unknown. */
  renewAt = Number.POSITIVE_INFINITY
  private readonly specs: Record<Operation, RequestSpec>

  constructor(account: Account) {
    this.account = account
    const login: RequestSpec = {
      method: 'POST',
      path: '/auth/login',
      headers: JSON_HEADERS,
      body: JSON.stringify(account),
      keepBody: true,
    }
    this.specs = { login, me: login, refresh: login, list: login, logout: login }
  }

  spec(operation: Operation): RequestSpec {
    return this.specs[operation]
  }

  /** Takes the tokens of a login or refresh reply. False when the reply has none: no session then. */
  adopt(body: string): boolean {
    const tokens = parse(body)
    const access = tokens?.accessToken
    const refresh = tokens?.refreshToken
    if (typeof access !== 'string' || typeof refresh !== 'string') return false
    const claims = parse(Buffer.from(access.split('.')[1] ?? '', 'base64url').toString('utf8'))
    const bearer = ['authorization', `Bearer ${access}`]
    const subject = typeof claims?.sub === 'string' ? claims.sub : undefined
    this.specs.me = { method: 'GET', path: '/auth/me', headers: bearer, expect: subject }
    this.specs.list = { method: 'GET', path: '/auth/sessions', headers: bearer, expect: '[' }
    this.specs.refresh = {
      method: 'POST',
      path: '/auth/refresh',
      headers: JSON_HEADERS,
      body: JSON.stringify({ refreshToken: refresh }),
      keepBody: true,
    }
    this.specs.logout = { method: 'POST', path: '/auth/logout', headers: bearer }
    const { iat, exp } = claims ?? {}
    const life = typeof iat === 'number' && typeof exp === 'number' ? (exp - iat) * 1000 : Number.POSITIVE_INFINITY
    this.renewAt = performance.now() + life * RENEW_AT
    this.loggedIn = true
    this.doubtful = false
    return true
  }

  leave(): void {
    this.loggedIn = false
  }
}

/** The account of user `index`: `{n}` in the pattern is its number, zero-padded to four digits. */
export function accountOf(pattern: string, password: string, index: number): Account {
  return { email: pattern.replace('{n}', String(index).padStart(4, '0')), password }
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
