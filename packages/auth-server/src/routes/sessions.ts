import type { FastifyInstance } from 'fastify'
import { ProblemError, sessionEnded } from '../problems.js'
import type { Services } from '../services.js'
import { bearerClaims, viaRedis } from './authenticate.js'

const me = {
  type: 'object',
  required: ['id', 'email', 'sessionId', 'sessionCreatedAt', 'expiresAt'],
  properties: {
    id: { type: 'string' },
    email: { type: 'string' },
    sessionId: { type: 'string' },
    sessionCreatedAt: { type: 'integer' },
    expiresAt: { type: 'integer' },
  },
} as const

const list = {
  type: 'object',
  required: ['sessions'],
  properties: {
    sessions: {
      type: 'array',
      items: {
        type: 'object',
        required: ['id', 'createdAt', 'refreshedAt', 'address', 'userAgent', 'current'],
        properties: {
          id: { type: 'string' },
          createdAt: { type: 'integer' },
          refreshedAt: { type: 'integer' },
          address: { type: 'string' },
          userAgent: { type: 'string' },
          current: { type: 'boolean' },
        },
      },
    },
  },
} as const

const ended = { type: 'object', required: ['ended'], properties: { ended: { type: 'integer' } } } as const
const sessionId = {
  type: 'object',
  required: ['id'],
  properties: { id: { type: 'string', pattern: '^[A-Za-z0-9_-]{22}$' } },
} as const

/** The routes of a logged-in caller. Each checks the token, and in the same round trip that its session lives. */
export function sessionRoutes(app: FastifyInstance, services: Services): void {
  const { sessions, tokens } = services

  // The path taken thousands of times a second: no hook of its own, one command, one awaited promise.
  app.get('/auth/me', { schema: { response: { 200: me } } }, async (request) => {
    const claims = bearerClaims(request, tokens)
    const started = performance.now()
    const session = await sessions.check(claims.sub, claims.sid)
    request.redisMs = performance.now() - started
    if (session === undefined) throw sessionEnded()
    return {
      id: claims.sub,
      email: session.email,
      sessionId: claims.sid,
      sessionCreatedAt: session.createdAt,
      expiresAt: claims.exp * 1000,
    }
  })

  app.get('/auth/sessions', { schema: { response: { 200: list } } }, async (request) => {
    const { sub, sid } = bearerClaims(request, tokens)
    const found = await viaRedis(request, sessions.list(sub, sid))
    if (found === undefined) throw sessionEnded()
    return { sessions: found.map((session) => ({ ...session, current: session.id === sid })) }
  })

  app.delete<{ Params: { id: string } }>(
    '/auth/sessions/:id',
    { schema: { params: sessionId } },
    async (request, reply) => {
      const { sub, sid } = bearerClaims(request, tokens)
      const done = await viaRedis(request, sessions.end(sub, sid, request.params.id))
      if (done === undefined) throw sessionEnded()
      if (!done) throw new ProblemError(404, 'session-unknown', 'The account has no such session')
      return reply.code(204).send()
    },
  )

  // A second logout finds the session ended, which is what was asked for.
  app.post('/auth/logout', async (request, reply) => {
    const { sub, sid } = bearerClaims(request, tokens)
    await viaRedis(request, sessions.end(sub, sid, sid))
    return reply.code(204).send()
  })

  app.post('/auth/logout-all', { schema: { response: { 200: ended } } }, async (request) => {
    const { sub, sid } = bearerClaims(request, tokens)
    const count = await viaRedis(request, sessions.endAll(sub, sid))
    if (count === undefined) throw sessionEnded()
    return { ended: count }
  })
}
