/// <reference path="../shims.d.ts" />
import type { Run, Scenario } from '../harness/context.js'

const queues = () => import('./queues.js')
const limits = () => import('./limits.js')
const locks = () => import('./locks.js')
const sessions = () => import('./sessions.js')
const caches = () => import('./caches.js')
const messaging = () => import('./messaging.js')

/** From a module of scenarios, the one of that name; nothing is imported before it runs. */
function from<K extends string>(module: () => Promise<Record<K, Run>>, name: K): () => Promise<Run> {
  return async () => (await module())[name]
}

export const scenarios: readonly Scenario[] = [
  { library: 'bullmq 6', load: from(queues, 'bullmq6') },
  { library: 'bullmq 5', load: from(queues, 'bullmq5') },
  { library: 'bull 4', load: from(queues, 'bull4') },
  { library: '@bull-board/api 9', load: from(queues, 'bullBoard') },
  { library: 'node-resque 9', load: from(queues, 'nodeResque') },
  { library: 'bee-queue 2', load: from(queues, 'beeQueue'), needs: 'class Redis' },
  { library: 'rate-limit-redis 6', load: from(limits, 'rateLimitRedis') },
  { library: '@fastify/rate-limit 11', load: from(limits, 'fastifyRateLimit') },
  { library: 'rate-limiter-flexible 11', load: from(limits, 'rateLimiterFlexible') },
  { library: 'ratelimiter 3', load: from(limits, 'ratelimiter') },
  { library: 'async-ratelimiter 1', load: from(limits, 'asyncRatelimiter') },
  { library: '@nest-lab/throttler-storage-redis 1', load: from(limits, 'throttlerStorage'), needs: 'instanceof' },
  { library: 'bottleneck 2', load: from(limits, 'bottleneck') },
  { library: 'redlock 4', load: from(locks, 'redlock4') },
  { library: 'redlock 5', load: from(locks, 'redlock5') },
  { library: '@sesamecare-oss/redlock 1', load: from(locks, 'sesamecareRedlock') },
  { library: 'redis-semaphore 5', load: from(locks, 'redisSemaphore') },
  { library: 'connect-redis 8', load: from(sessions, 'connectRedis8') },
  { library: 'koa-redis 4', load: from(sessions, 'koaRedis') },
  { library: '@fastify/session 11', load: from(sessions, 'fastifySession') },
  { library: '@keyv/valkey 1', load: from(caches, 'keyvValkey') },
  { library: 'bentocache 1', load: from(caches, 'bentocache'), needs: 'instanceof' },
  { library: 'cache-manager-ioredis-yet 2', load: from(caches, 'cacheManager') },
  { library: 'async-cache-dedupe 3', load: from(caches, 'asyncCacheDedupe') },
  { library: '@hapi/catbox-redis 7', load: from(caches, 'catboxRedis') },
  { library: '@fastify/redis 9', load: from(caches, 'fastifyRedis') },
  { library: '@socket.io/redis-adapter 8', load: from(messaging, 'socketioAdapter') },
  { library: '@socket.io/redis-streams-adapter 0.3', load: from(messaging, 'socketioStreamsAdapter') },
  { library: 'graphql-redis-subscriptions 2', load: from(messaging, 'graphqlRedisSubscriptions') },
  { library: '@graphql-yoga/redis-event-target 3', load: from(messaging, 'yogaEventTarget') },
  { library: '@boringnode/bus 0.9', load: from(messaging, 'boringnodeBus'), needs: 'instanceof' },
  { library: 'mqemitter-redis 7', load: from(messaging, 'mqemitterRedis') },
  { library: 'resumable-stream 2', load: from(messaging, 'resumableStream') },
  {
    library: '@opentelemetry/instrumentation-ioredis 0.71',
    load: from(() => import('./tracing.js'), 'opentelemetryIoredis'),
    needs: 'instanceof',
  },
]
