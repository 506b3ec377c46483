import { createHash } from 'node:crypto'
import { isIPv6 } from 'node:net'
import type { Limit } from './config.js'
import { type RedisLike, redisFailure } from './redis/like.js'
import { Script } from './redis/script.js'

/**
 * Generic cell rate algorithm: one number per key, the time at which its bucket is empty again. Reading, deciding and
 * writing are one script on the server's own clock, so no two workers can both take the last attempt.
 * ARGV: window µs, attempts. Returns 0 when allowed, else the µs to wait.
 */
const takeScript = new Script(
  `
local window, attempts = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local cost = math.floor(window / attempts)
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now) + cost
local wait = full - window - now
if wait > 0 then return wait end
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
return 0`,
  1,
)

export class RateLimitedError extends Error {
  override readonly name = 'RateLimitedError'
  constructor(readonly retryAfterSeconds: number) {
    super('Too many attempts')
  }
}

export class RateLimiter {
  readonly #redis: RedisLike
  readonly #name: string
  readonly #limit: Limit

  constructor(redis: RedisLike, name: string, limit: Limit) {
    this.#redis = redis
    this.#name = name
    this.#limit = limit
  }

  /** Takes one attempt. @throws RateLimitedError, RedisUnavailableError */
  async take(subject: string): Promise<void> {
    const { attempts, windowSeconds } = this.#limit
    const wait = Number(await takeScript.run(this.#redis, this.#key(subject), windowSeconds * 1e6, attempts))
    if (wait > 0) throw new RateLimitedError(Math.ceil(wait / 1e6))
  }

  /** Forgets the attempts made. @throws RedisUnavailableError */
  async clear(subject: string): Promise<void> {
    try {
      await this.#redis.del(this.#key(subject))
    } catch (error) {
      throw redisFailure(error)
    }
  }

  /** Hashed: neither e-mail addresses nor oversized input become keys. */
  #key(subject: string): string {
    return `auth:limit:${this.#name}:${createHash('sha256').update(subject).digest('base64url').slice(0, 22)}`
  }
}

/** What of an address is one attacker's: an IPv6 network of /64, as that is what one customer gets. */
export function addressSubject(address: string): string {
  const v4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)
  if (v4?.[1] !== undefined) return v4[1]
  if (!isIPv6(address)) return address
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? [] : Array<string>(8 - left.length - right.length).fill('0')
  const groups = [...left, ...zeros, ...right].slice(0, 4)
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}
