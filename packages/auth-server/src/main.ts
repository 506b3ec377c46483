import { cenoteRedis } from './redis/cenote.js'
import { runService } from './service.js'

await runService(cenoteRedis)
