import { createHash } from 'node:crypto'
import { type RedisLike, redisFailure } from './like.js'

/** A Lua script that runs by its digest, and by its text once a server does not know it (fresh, restarted, flushed). */
export class Script {
  readonly #sha: string

  constructor(
    readonly text: string,
    readonly keyCount: number,
  ) {
    this.#sha = createHash('sha1').update(text).digest('hex')
  }

  /** @throws RedisUnavailableError */
  async run(redis: RedisLike, ...keysAndArgs: (string | number)[]): Promise<unknown> {
    try {
      return await redis.evalsha(this.#sha, this.keyCount, ...keysAndArgs)
    } catch (error) {
      // NOSCRIPT comes before anything ran, so running the text is not a second execution.
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw redisFailure(error)
    }
    try {
      return await redis.eval(this.text, this.keyCount, ...keysAndArgs)
    } catch (error) {
      throw redisFailure(error)
    }
  }
}
