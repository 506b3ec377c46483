import cluster from 'node:cluster'
import { type Config, ConfigError, loadConfig } from './config.js'
import { loadKeys } from './keys.js'
import type { RedisFactory } from './server.js'
import { runWorker } from './worker.js'
import { Workers } from './workers.js'

/**
 * The whole service, primary and workers alike: call it at the top of an entry file. Ends the process when done, with
 * status 0 after a drain that cut nobody off, 2 when the configuration is wrong.
 */
export async function runService(createRedis: RedisFactory): Promise<void> {
  try {
    const config: Config = loadConfig()
    if (cluster.isPrimary) {
      // Before the first fork: a bad key is reported once, and a new one is made once.
      loadKeys(config)
      process.exitCode = await new Workers(config).run()
      process.exit()
    }
    await runWorker(config, createRedis)
  } catch (error) {
    const text = error instanceof ConfigError ? error.message : error instanceof Error ? error.stack : String(error)
    process.stderr.write(`auth-server: ${text}\n`)
    process.exit(error instanceof ConfigError ? 2 : 1)
  }
}
