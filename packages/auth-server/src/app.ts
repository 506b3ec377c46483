import type { Server } from 'node:http'
import Fastify, { type FastifyHttpOptions, type FastifyInstance, LogController } from 'fastify'
import type { Config } from './config.js'
import { registerHooks, requestIds, SECURITY_HEADERS } from './hooks.js'
import type { Keys } from './keys.js'
import type { Lifecycle } from './lifecycle.js'
import { Passwords } from './passwords.js'
import { malformedRequestAnswer, registerProblems, sendProblem } from './problems.js'
import { RateLimiter } from './rate-limit.js'
import type { RedisLike } from './redis/like.js'
import { accountRoutes } from './routes/accounts.js'
import { healthRoutes } from './routes/health.js'
import { sessionRoutes } from './routes/sessions.js'
import type { Services } from './services.js'
import { Sessions } from './sessions.js'
import type { AccountStore } from './store/types.js'
import { AccessTokens } from './tokens.js'
import { ownStats, type WorkerStats } from './worker-stats.js'

export interface AppOptions {
  readonly config: Config
  readonly keys: Keys
  readonly redis: RedisLike
  readonly accounts: AccountStore
  readonly lifecycle?: Lifecycle
  /** Number of this worker, from 1. Default 1. */
  readonly worker?: number
  /** Default: this process alone. */
  readonly allWorkers?: () => Promise<readonly WorkerStats[]>
  /** Where log lines go. Default: standard output. */
  readonly logStream?: { write(line: string): void }
}

/** The service without a listener. Whoever made `redis` and `accounts` closes them. */
export function createApp(options: AppOptions): FastifyInstance {
  const { config, keys, redis, accounts } = options
  const worker = options.worker ?? 1
  const services: Services = {
    config,
    keys,
    redis,
    accounts,
    sessions: new Sessions(redis, config),
    tokens: new AccessTokens(keys, {
      issuer: config.issuer,
      audience: config.audience,
      lifetimeSeconds: config.accessTokenSeconds,
      cacheSize: config.tokenCacheSize,
    }),
    passwords: new Passwords({ concurrency: config.hashConcurrency, maxQueued: config.hashQueue }),
    limits: {
      loginAccount: new RateLimiter(redis, 'login-account', config.loginPerAccount),
      loginAddress: new RateLimiter(redis, 'login-address', config.loginPerAddress),
      registerAddress: new RateLimiter(redis, 'register-address', config.registerPerAddress),
    },
    lifecycle: options.lifecycle ?? { draining: false },
    worker,
    allWorkers: options.allWorkers ?? (async () => [ownStats(worker, redis)]),
  }

  const app = Fastify(serverOptions(config, worker, options.logStream))
  const logRequests = ['info', 'debug', 'trace'].includes(config.logLevel)
  registerProblems(app)
  registerHooks(app, services.lifecycle, logRequests)
  accountRoutes(app, services)
  sessionRoutes(app, services)
  healthRoutes(app, services)
  return app
}

function serverOptions(config: Config, worker: number, stream: AppOptions['logStream']): FastifyHttpOptions<Server> {
  return {
    logger:
      config.logLevel === 'silent'
        ? false
        : { level: config.logLevel, base: { pid: process.pid, worker }, ...(stream === undefined ? {} : { stream }) },
    logController: new LogController({ disableRequestLogging: true }),
    // A child logger per request costs more than naming the request in the few lines written.
    childLoggerFactory: (logger) => logger,
    genReqId: requestIds(),
    requestIdHeader: false,
    trustProxy: config.trustProxy,
    bodyLimit: 16 * 1024,
    keepAliveTimeout: config.keepAliveMs,
    requestTimeout: 30_000,
    // Callers that trickle their headers are gone after 15 s at most.
    http: { headersTimeout: 10_000, connectionsCheckingInterval: 5_000 },
    exposeHeadRoutes: false,
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, allErrors: false } },
    // An unreadable URL reaches no hook.
    frameworkErrors: (error, request, reply) => {
      reply.headers(SECURITY_HEADERS).header('x-request-id', request.id)
      sendProblem(request, reply, error)
    },
    clientErrorHandler: (error, socket) => {
      if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) return
      socket.end(malformedRequestAnswer(error.code))
    },
  }
}
