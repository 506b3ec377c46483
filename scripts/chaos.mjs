import { join } from 'node:path'
import { main, root, run, stopOnSignals } from './lib/progress.mjs'
import { ensureRedisServer } from './lib/redis.mjs'
import { setUp } from './lib/set-up.mjs'

/** `npm run chaos` and `npm run chaos:peers`; the options are those of the programs, see --help. */
await main(async () => {
  const [program, ...args] = process.argv.slice(2)
  stopOnSignals()
  await setUp()
  const redisServer = await ensureRedisServer()
  return run(process.execPath, ['--expose-gc', join(root, 'packages/chaos/dist', `${program}.js`), ...args], {
    env: { ...process.env, REDIS_SERVER_BIN: redisServer },
  })
})
