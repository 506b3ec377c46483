import type { Callback, Commands } from '../../src/commands/commands.generated.js'

/** Compiled by command-types.test.ts, never run: what compiles here, and what must not, is the promise. */

interface Chain extends Commands<Chain> {
  exec(): Promise<[error: Error | null, result: unknown][] | null>
}
declare const redis: Commands<'promise'>
declare const chain: Chain
declare const key: string
declare const names: string[]

type Equal<A, B> = (<X>() => X extends A ? 1 : 2) extends <X>() => X extends B ? 1 : 2 ? true : false
/** Fails to compile unless the reply of the promise is exactly R. */
declare function replies<R>(): <P extends Promise<unknown>>(promise: P, same: Equal<Awaited<P>, R>) => void

// Replies, as ioredis users know them
replies<string | null>()(redis.get(key), true)
replies<Buffer | null>()(redis.getBuffer(key), true)
replies<string | null>()(redis.zscore(key, 'm'), true)
replies<Record<string, string>>()(redis.hgetall(key), true)
replies<Record<string, Buffer>>()(redis.hgetallBuffer(key), true)
replies<string[]>()(redis.smembers(key), true)
replies<Buffer[]>()(redis.smembersBuffer(key), true)
replies<(string | null)[]>()(redis.mget('a', 'b'), true)
replies<number>()(redis.incr(key), true)
replies<number>()(redis.incrBuffer(key), true)
replies<[cursor: string, elements: string[]]>()(redis.scan(0, 'MATCH', 'a*', 'COUNT', 100), true)
replies<[cursor: string, elements: string[]]>()(redis.scan('0', 'COUNT', 100, 'MATCH', 'a*'), true)
replies<[key: string, element: string] | null>()(redis.blpop('a', 'b', 0), true)
replies<[key: string, member: string, score: string] | null>()(redis.bzpopmin('a', 0), true)
replies<[id: string, fields: string[]][]>()(redis.xrange(key, '-', '+', 'COUNT', 10), true)
replies<[key: string, entries: [id: string, fields: string[]][]][] | null>()(
  redis.xread('COUNT', 1, 'BLOCK', 0, 'STREAMS', 'a', 'b', '$', '$'),
  true,
)
replies<number | null>()(redis.zrank(key, 'm'), true)
replies<number[]>()(redis.hexpire(key, 10, 'NX', 'FIELDS', 1, 'f'), true)
replies<unknown>()(redis.eval('return 1', 0), true)

// Replies that depend on the form
replies<'OK'>()(redis.set(key, 'v'), true)
replies<'OK'>()(redis.set(key, 1, 'EX', 60), true)
replies<'OK' | null>()(redis.set(key, 'v', 'NX'), true)
replies<'OK' | null>()(redis.set(key, 'v', 'EX', 60, 'NX'), true)
replies<'OK' | null>()(redis.set(key, 'v', 'NX', 'PX', 60), true)
replies<'OK' | null>()(redis.set(key, 'v', 'IFEQ', 'old'), true)
replies<string | null>()(redis.set(key, 'v', 'XX', 'GET', 'KEEPTTL'), true)
replies<Buffer | null>()(redis.setBuffer(key, 'v', 'GET'), true)
replies<Buffer>()(redis.setBuffer(key, 'v'), true)
replies<string | null>()(redis.spop(key), true)
replies<string[]>()(redis.spop(key, 3), true)
replies<string[] | null>()(redis.lpop(key, 3), true)
replies<number[]>()(redis.lpos(key, 'e', 'COUNT', 0), true)
replies<number>()(redis.zadd(key, 1, 'a', 2, 'b'), true)
replies<number>()(redis.zadd(key, 'NX', 'CH', 1, 'a'), true)
replies<string | null>()(redis.zadd(key, 'INCR', 1, 'a'), true)
replies<[rank: number, score: string] | null>()(redis.zrank(key, 'm', 'WITHSCORE'), true)
replies<number>()(redis.lcs('a', 'b', 'LEN'), true)
replies<'PONG'>()(redis.ping(), true)
replies<string>()(redis.ping('hello'), true)

// Containers
replies<string>()(redis.client('LIST'), true)
replies<number>()(redis.client('ID'), true)
replies<number>()(redis.client('KILL', 'ID', 5), true)
replies<'OK'>()(redis.client('SETNAME', 'me'), true)
replies<string[]>()(redis.config('GET', 'maxmemory', 'save'), true)
replies<'OK'>()(redis.config('SET', 'maxmemory', '1mb'), true)
replies<unknown[]>()(redis.xinfo('STREAM', key, 'FULL', 'COUNT', 1), true)
replies<'OK'>()(redis.xgroup('CREATE', key, 'g', '$', 'MKSTREAM'), true)
replies<string | null>()(redis.object('ENCODING', key), true)
replies<number[]>()(redis.script('EXISTS', 'a', 'b'), true)

// Arguments: lists are flattened, objects and Maps stand for pairs
redis.del(key, Buffer.from('b'))
redis.del(names)
redis.del(...names)
redis.mget(names)
redis.sadd(key, 1, 'a', Buffer.from('b'))
redis.sadd(key, names)
redis.hset(key, 'f', 1, 'g', 'v')
redis.hset(key, { f: 1, g: 'v' })
redis.hset(key, new Map([['f', 1]]))
redis.mset({ a: 1 })
redis.mset('a', 1, 'b', 2)
redis.mset(['a', 1, 'b', 2])
redis.zadd(key, ...[1, 'a', 2, 'b'])
redis.zrange(key, 0, -1, 'REV', 'WITHSCORES')
redis.zrange(key, '(1', '+inf', 'BYSCORE', 'LIMIT', 0, 10)
redis.zrange(key, 0, 10, 'LIMIT', 0, 10, 'BYSCORE', 'REV')
redis.zunionstore('to', 2, 'a', 'b', 'WEIGHTS', 1, 2, 'AGGREGATE', 'MAX')
redis.xadd(key, '*', 'f', 'v')
redis.xadd(key, 'MAXLEN', '~', 1000, '*', 'f', 'v')
redis.eval('return 1', 2, 'a', 'b', 3)
redis.geosearch(key, 'FROMLONLAT', 1, 2, 'BYRADIUS', 3, 'KM', 'WITHDIST', 'ASC')
redis.sort(key, 'BY', 'w_*', 'LIMIT', 0, 5, 'GET', '#', 'ALPHA')
redis.vadd(key, 'VALUES', 2, 0.1, 0.2, 'e')
redis['restore-asking'](key, 0, Buffer.alloc(1))

// Callbacks
redis.get(key, (error, value) => {
  const text: string | null | undefined = value
  return [error?.message, text]
})
redis.del('a', 'b', (_error, count) => count?.toFixed())
redis.hset(key, { f: 1 }, (_error, count) => count?.toFixed())
redis.set(key, 'v', 'EX', 5, ((_error, reply) => reply) satisfies Callback<string>)
redis.blpop('a', 0, (_error, reply) => reply?.[1].length)

// Chains keep their type through every method, twins and callbacks included
const results: Promise<[Error | null, unknown][] | null> = chain
  .get(key)
  .getBuffer(key)
  .set(key, 'v', 'EX', 5)
  .hset(key, { f: 1 })
  .incr(key, (_error, count) => count?.toFixed())
  .client('LIST')
  .exec()

// What must not compile
// @ts-expect-error a key is no number
redis.get(1)
// @ts-expect-error a key is missing
redis.get()
// @ts-expect-error no such option
redis.set(key, 'v', 'EXX', 5)
// @ts-expect-error the seconds are missing
redis.set(key, 'v', 'EX')
// @ts-expect-error an object is no value
redis.set(key, {})
// @ts-expect-error null is no value
redis.sadd(key, null)
// @ts-expect-error no such subcommand
redis.client('LISTS')
// @ts-expect-error no such unit
redis.geosearch(key, 'FROMLONLAT', 1, 2, 'BYRADIUS', 3, 'PARSEC')
// @ts-expect-error no such option, in any order
redis.zrange(key, 0, 1, 'REVERSE')
// @ts-expect-error no such command
redis.gett(key)
// @ts-expect-error the client's own methods are typed elsewhere
redis.multi()
// @ts-expect-error a chain returns no promise
chain.get(key).then()
// @ts-expect-error the reply may be null
redis.get(key).then((value) => value.length)
// @ts-expect-error the callback gets a number
redis.incr(key, (_error, value: string) => value)

export { results }
