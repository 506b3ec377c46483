import type { FastifyInstance, FastifyRequest } from 'fastify'
import { ProblemError } from '../problems.js'
import { addressSubject } from '../rate-limit.js'
import type { Services } from '../services.js'
import { type IssuedSession, randomId } from '../sessions.js'
import { normalizeEmail } from '../store/types.js'
import { viaRedis } from './authenticate.js'

interface Credentials {
  email: string
  password: string
}

const credentials = {
  type: 'object',
  required: ['email', 'password'],
  additionalProperties: false,
  properties: {
    email: { type: 'string', format: 'email', maxLength: 254 },
    password: { type: 'string', minLength: 8, maxLength: 128 },
  },
} as const

const refreshBody = {
  type: 'object',
  required: ['refreshToken'],
  additionalProperties: false,
  properties: { refreshToken: { type: 'string', minLength: 1, maxLength: 256 } },
} as const

const account = {
  type: 'object',
  required: ['id', 'email', 'createdAt'],
  properties: { id: { type: 'string' }, email: { type: 'string' }, createdAt: { type: 'string' } },
} as const

const tokenAnswer = {
  type: 'object',
  required: ['accessToken', 'tokenType', 'expiresIn', 'refreshToken', 'refreshExpiresIn', 'sessionId'],
  properties: {
    accessToken: { type: 'string' },
    tokenType: { type: 'string' },
    expiresIn: { type: 'integer' },
    refreshToken: { type: 'string' },
    refreshExpiresIn: { type: 'integer' },
    sessionId: { type: 'string' },
  },
} as const

/** Register, log in, refresh: the routes that need no access token. */
export function accountRoutes(app: FastifyInstance, services: Services): void {
  const { accounts, limits, passwords, sessions, tokens } = services

  function tokensFor(session: IssuedSession) {
    return {
      accessToken: tokens.issue(session.accountId, session.sessionId),
      tokenType: 'Bearer',
      expiresIn: tokens.lifetimeSeconds,
      refreshToken: session.refreshToken,
      refreshExpiresIn: Math.max(0, Math.floor((session.expiresAt - Date.now()) / 1000)),
      sessionId: session.sessionId,
    }
  }

  app.post<{ Body: Credentials }>(
    '/auth/register',
    { schema: { body: credentials, response: { 201: account } } },
    async (request, reply) => {
      await viaRedis(request, limits.registerAddress.take(addressSubject(request.ip)))
      const email = normalizeEmail(request.body.email)
      const created = {
        id: randomId(),
        email,
        passwordHash: await passwords.hash(request.body.password),
        createdAt: Date.now(),
      }
      accounts.create(created)
      return reply.code(201).send({ id: created.id, email, createdAt: new Date(created.createdAt).toISOString() })
    },
  )

  app.post<{ Body: Credentials }>(
    '/auth/login',
    { schema: { body: credentials, response: { 200: tokenAnswer } } },
    async (request) => {
      const email = normalizeEmail(request.body.email)
      // The address first: one that is out of attempts must not use up the account's.
      await viaRedis(request, limits.loginAddress.take(addressSubject(request.ip)))
      await viaRedis(request, limits.loginAccount.take(email))
      const found = accounts.findByEmail(email)
      const matches = await passwords.verify(found?.passwordHash, request.body.password)
      if (found === undefined || !matches) {
        throw new ProblemError(401, 'invalid-credentials', 'E-mail address or password is wrong')
      }
      const [session] = await viaRedis(
        request,
        Promise.all([
          sessions.create({
            accountId: found.id,
            email,
            address: request.ip,
            userAgent: userAgent(request),
          }),
          limits.loginAccount.clear(email),
        ]),
      )
      return tokensFor(session)
    },
  )

  app.post<{ Body: { refreshToken: string } }>(
    '/auth/refresh',
    { schema: { body: refreshBody, response: { 200: tokenAnswer } } },
    async (request) => {
      const result = await viaRedis(request, sessions.refresh(request.body.refreshToken))
      if (result.ok) return tokensFor(result.session)
      if (result.reason === 'reused') {
        request.log.warn({ reqId: request.id, account: result.accountId }, 'refresh token reused, session ended')
        const detail = 'It had been used before, so its session was ended; log in again'
        throw new ProblemError(401, 'refresh-token-reused', 'The refresh token is not valid', detail)
      }
      throw new ProblemError(401, 'refresh-token-invalid', 'The refresh token is not valid')
    },
  )
}

function userAgent(request: FastifyRequest): string {
  return (request.headers['user-agent'] ?? '').slice(0, 256)
}
