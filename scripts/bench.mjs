import { main, root, SetUpError, stopOnSignals } from './lib/progress.mjs'
import { ensureRedisServer } from './lib/redis.mjs'
import { setUp } from './lib/set-up.mjs'

await main(async () => {
  stopOnSignals()
  process.chdir(root)
  await setUp()
  process.env.REDIS_SERVER_BIN = await ensureRedisServer()
  // Only now does the build exist.
  const { runBench } = await import('../bench/dist/main.js')
  try {
    return await runBench(process.argv.slice(2))
  } catch (error) {
    throw error.name === 'UsageError' ? new SetUpError(error.message) : error
  }
})
