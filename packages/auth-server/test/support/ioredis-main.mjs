import { runService } from '../../dist/service.js'
import { ioredisClient } from './ioredis-client.mjs'

await runService((config) => ioredisClient(process.env.REDIS_URL, config.redisTimeoutMs))
