import { Script } from './redis/script.js'

/*
 * Keys of one account share a hash tag, so every script stays within one slot of a cluster:
 *   auth:{account}:sessions        sorted set: session id by expiry, ms
 *   auth:{account}:session:<id>    hash: email, created, refreshed, family, token, address, agent
 * KEYS[1] is the sorted set; the scripts derive a session's key from ARGV[1], the prefix they share.
 */

/** ARGV: prefix, id, now, expiry, maxSessions, then field/value pairs. Ends the oldest sessions above the maximum. */
export const createScript = new Script(
  `
local prefix, id, now, expiry, max = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local surplus = redis.call('ZCARD', KEYS[1]) + 1 - max
if surplus > 0 then
  for _, old in ipairs(redis.call('ZRANGE', KEYS[1], 0, surplus - 1)) do
    redis.call('DEL', prefix .. old)
    redis.call('ZREM', KEYS[1], old)
  end
end
redis.call('HSET', prefix .. id, unpack(ARGV, 6))
redis.call('PEXPIREAT', prefix .. id, expiry)
redis.call('ZADD', KEYS[1], expiry, id)
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[1], last[2])
return 1`,
  1,
)

/**
 * ARGV: prefix, id, family hash, token hash, new token hash, now, refresh lifetime ms, session maximum ms.
 * Returns the new expiry; 0 when there is no such session or the token is not of its family; -1 when the token is of
 * the family but not its current one: it was used before, so the whole family is ended.
 */
export const rotateScript = new Script(
  `
local key, id, now = ARGV[1] .. ARGV[2], ARGV[2], tonumber(ARGV[6])
local session = redis.call('HMGET', key, 'family', 'token', 'created')
if not session[1] or session[1] ~= ARGV[3] then return 0 end
if session[2] ~= ARGV[4] then
  redis.call('DEL', key)
  redis.call('ZREM', KEYS[1], id)
  return -1
end
local expiry = math.min(now + tonumber(ARGV[7]), tonumber(session[3]) + tonumber(ARGV[8]))
if expiry <= now then return 0 end
local text = string.format('%.0f', expiry)
redis.call('HSET', key, 'token', ARGV[5], 'refreshed', ARGV[6])
redis.call('PEXPIREAT', key, text)
redis.call('ZADD', KEYS[1], text, id)
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[1], last[2])
return expiry`,
  1,
)

/** ARGV: prefix, own id. Returns 0 unless the caller's own session lives, else id, created, refreshed, address, agent, … */
export const listScript = new Script(
  `
if redis.call('EXISTS', ARGV[1] .. ARGV[2]) == 0 then return 0 end
local rows = {}
for _, id in ipairs(redis.call('ZREVRANGE', KEYS[1], 0, -1)) do
  local session = redis.call('HMGET', ARGV[1] .. id, 'created', 'refreshed', 'address', 'agent')
  if session[1] then
    rows[#rows + 1] = id
    for i = 1, 4 do rows[#rows + 1] = session[i] or '' end
  end
end
return rows`,
  1,
)

/** ARGV: prefix, own id, id to end. Returns -1 unless the caller's own session lives, else how many ended. */
export const endScript = new Script(
  `
if redis.call('EXISTS', ARGV[1] .. ARGV[2]) == 0 then return -1 end
redis.call('ZREM', KEYS[1], ARGV[3])
return redis.call('DEL', ARGV[1] .. ARGV[3])`,
  1,
)

/** ARGV: prefix, own id. Returns -1 unless the caller's own session lives, else how many ended. */
export const endAllScript = new Script(
  `
if redis.call('EXISTS', ARGV[1] .. ARGV[2]) == 0 then return -1 end
local ended = 0
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  ended = ended + redis.call('DEL', ARGV[1] .. id)
end
redis.call('DEL', KEYS[1])
return ended`,
  1,
)
