import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { PasswordOverloadError } from './passwords.js'
import { RateLimitedError } from './rate-limit.js'
import { RedisUnavailableError } from './redis/like.js'
import { EmailTakenError } from './store/types.js'
import { InvalidTokenError } from './tokens.js'

export const PROBLEM_TYPE = 'application/problem+json'

/** RFC 9457. `type` is the stable name of the problem; `requestId` finds it in the logs. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail?: string
  readonly requestId?: string
  /** What the request's validation found. */
  readonly errors?: readonly { readonly pointer: string; readonly detail: string }[]
  /** With 503: whether what was asked may have happened. */
  readonly outcome?: string
}

/** Thrown by routes; everything else that is thrown and not known here becomes a 500 that says nothing. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError'
  readonly headers: Readonly<Record<string, string>>
  constructor(
    readonly status: number,
    readonly code: string,
    title: string,
    readonly detail?: string,
    headers: Record<string, string> = {},
    readonly extra: { readonly errors?: Problem['errors']; readonly outcome?: string } = {},
  ) {
    super(title)
    this.headers = headers
  }
}

const bearerError = (description: string): Record<string, string> => ({
  'www-authenticate': `Bearer error="invalid_token", error_description="${description}"`,
})

export function missingToken(): ProblemError {
  const detail = 'Send an access token as "Authorization: Bearer <token>"'
  return new ProblemError(401, 'token-missing', 'An access token is needed', detail, { 'www-authenticate': 'Bearer' })
}

export function sessionEnded(): ProblemError {
  const description = 'The session has ended'
  return new ProblemError(401, 'session-ended', description, undefined, bearerError(description))
}

/** What an error is to the caller. Nothing of an unforeseen error's text reaches them. */
export function toProblem(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error
  if (error instanceof InvalidTokenError) {
    const code = error.problem === 'expired' ? 'token-expired' : 'token-invalid'
    return new ProblemError(401, code, error.message, undefined, bearerError(error.message))
  }
  if (error instanceof RedisUnavailableError) {
    const detail = 'The session store cannot be reached or is overloaded; try again shortly'
    const headers = { 'retry-after': String(error.retryAfterSeconds) }
    return new ProblemError(503, 'store-unavailable', 'Temporarily unavailable', detail, headers, {
      outcome: error.outcome,
    })
  }
  if (error instanceof RateLimitedError) {
    const detail = `Try again in ${error.retryAfterSeconds} s`
    const headers = { 'retry-after': String(error.retryAfterSeconds) }
    return new ProblemError(429, 'too-many-attempts', 'Too many attempts', detail, headers)
  }
  if (error instanceof PasswordOverloadError) {
    const headers = { 'retry-after': String(error.retryAfterSeconds) }
    return new ProblemError(503, 'overloaded', 'Too many logins at the moment', undefined, headers)
  }
  if (error instanceof EmailTakenError) return new ProblemError(409, 'email-taken', error.message)
  return fromFastify(error as Partial<FastifyError>)
}

function fromFastify(error: Partial<FastifyError>): ProblemError {
  if (error.validation !== undefined) {
    const part = error.validationContext ?? 'body'
    const errors = error.validation.map((found) => ({
      pointer: `/${part}${found.instancePath}`,
      detail: found.message ?? 'is not valid',
    }))
    return new ProblemError(400, 'invalid-request', 'The request is not valid', undefined, {}, { errors })
  }
  const status = error.statusCode
  // Fastify's own refusals (malformed JSON, too large, unknown media type) carry a code of their own and no internals.
  if (status !== undefined && status >= 400 && status < 500 && error.code?.startsWith('FST_ERR_')) {
    return new ProblemError(status, 'invalid-request', TITLES[status] ?? 'The request is not valid')
  }
  return new ProblemError(500, 'internal-error', 'Internal error')
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'The request cannot be read',
  413: 'The body is too large',
  414: 'The address is too long',
  415: 'The body must be application/json',
}

function problemBody(problem: ProblemError, requestId?: string): Problem {
  return {
    type: `urn:cenote:auth:${problem.code}`,
    title: problem.message,
    status: problem.status,
    detail: problem.detail,
    requestId,
    ...problem.extra,
  }
}

export function sendProblem(request: FastifyRequest, reply: FastifyReply, error: unknown): FastifyReply {
  const problem = toProblem(error)
  if (problem.status === 500) request.log.error({ reqId: request.id, err: error }, 'request failed')
  // A string, so that no route's response schema trims it.
  return reply
    .code(problem.status)
    .headers(problem.headers)
    .type(PROBLEM_TYPE)
    .serializer((body: unknown) => body as string)
    .send(JSON.stringify(problemBody(problem, request.id)))
}

/** Answers for requests so broken that no route sees them: the raw bytes of a 400, 408 or 431. */
export function malformedRequestAnswer(code: string | undefined): string {
  const [status, title] =
    code === 'HPE_HEADER_OVERFLOW'
      ? ([431, 'Request Header Fields Too Large'] as const)
      : code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? ([408, 'Request Timeout'] as const)
        : ([400, 'Bad Request'] as const)
  const body = JSON.stringify(problemBody(new ProblemError(status, 'invalid-request', title)))
  const head = `HTTP/1.1 ${status} ${title}\r\nContent-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}`
  return `${head}\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n${body}`
}

export function registerProblems(app: FastifyInstance): void {
  app.setErrorHandler((error, request, reply) => sendProblem(request, reply, error))
  app.setNotFoundHandler((request, reply) =>
    sendProblem(request, reply, new ProblemError(404, 'not-found', 'There is nothing here')),
  )
}
