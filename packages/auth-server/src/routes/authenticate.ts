import type { FastifyRequest } from 'fastify'
import { missingToken } from '../problems.js'
import type { AccessClaims, AccessTokens } from '../tokens.js'

const SCHEME = /^bearer /i

/** The claims of the request's access token: genuine and unexpired, its session not yet looked at. */
export function bearerClaims(request: FastifyRequest, tokens: AccessTokens): AccessClaims {
  const { authorization } = request.headers
  if (authorization === undefined) throw missingToken()
  if (authorization.startsWith('Bearer ')) return tokens.verify(authorization.slice(7))
  if (!SCHEME.test(authorization)) throw missingToken()
  return tokens.verify(authorization.slice(7))
}

/** Awaits a Redis call and books its time under `redis` in Server-Timing. */
export async function viaRedis<T>(request: FastifyRequest, call: Promise<T>): Promise<T> {
  const started = performance.now()
  try {
    return await call
  } finally {
    request.redisMs += performance.now() - started
  }
}
