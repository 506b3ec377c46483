import cluster from 'node:cluster'
import { type Config, loadConfig } from './config.js'
import { loadKeys } from './keys.js'
import { EXIT } from './messages.js'
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
    process.stderr.write(`auth-server: ${explain(error)}\n`)
    process.exit(isConfigError(error) ? EXIT.misconfigured : EXIT.failed)
  }
}

/** The service's own, or the pool's for its variables. */
function isConfigError(error: unknown): boolean {
  return error instanceof Error && error.name === 'ConfigError'
}

/** A stack only helps with what nobody foresaw. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const isSystemError = 'syscall' in error
  return isConfigError(error) || isSystemError ? error.message : (error.stack ?? error.message)
}
