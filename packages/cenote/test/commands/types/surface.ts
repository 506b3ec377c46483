import {
  type Commands,
  createPool,
  type Lease,
  type Monitor,
  type Pipeline,
  RedisPool,
  type Result,
} from '../../../src/index.js'

/** Compiled by types.test.ts, never run: the commands as methods of the classes users hold. */

declare module '../../../src/index.js' {
  interface CustomCommands<C> {
    addTwo(key: string, amount: number): Result<number, C>
  }
}

type Equal<A, B> = (<X>() => X extends A ? 1 : 2) extends <X>() => X extends B ? 1 : 2 ? true : false
declare function replies<R>(): <P extends Promise<unknown>>(promise: P, same: Equal<Awaited<P>, R>) => void
type Entries = [error: Error | null, result?: unknown][] | null

const redis = createPool('redis://localhost', {
  lazyConnect: true,
  retryStrategy: () => null,
  scripts: { x: { lua: '' } },
})
declare const lease: Lease
declare const chain: Pipeline

replies<string | null>()(redis.get('k'), true)
replies<Buffer | null>()(redis.getBuffer('k'), true)
replies<string | null>()(lease.get('k'), true)
replies<string | null>()(redis.with({ timeoutMs: 1 }).get('k'), true)
replies<'OK'>()(redis.set('k', 'v', 'EX', 60), true)
replies<number>()(redis.subscribe('a', 'b'), true)
replies<'OK'>()(redis.multi({ pipeline: false }), true)
replies<'OK'>()(redis.quit(), true)
replies<Monitor>()(redis.monitor(), true)
replies<Entries>()(redis.exec(), true)
replies<Entries>()(redis.multi().set('k', 'v').get('k').exec(), true)
replies<Entries>()(
  redis
    .pipeline([['set', 'k', 'v']])
    .getBuffer('k')
    .exec(),
  true,
)
replies<Entries>()(chain.hgetall('k').addTwo('k', 1).exec(), true)
replies<number>()(redis.addTwo('k', 1), true)
replies<number>()(lease.addTwo('k', 1), true)

redis.get('k', (_error, reply) => reply satisfies string | null | undefined)
const own: RedisPool = redis.duplicate({ connectionName: 'worker' })
own.on('message', () => undefined).off('message', () => undefined)
for await (const names of redis.scanStream({ match: 'a*' })) void names
await using held = await redis.acquire({ timeoutMs: 1 })
replies<string | null>()(held.get('k'), true)
// A pool goes wherever its commands alone are wanted.
redis satisfies Pick<Commands<'promise'>, 'get' | 'set' | 'hgetall' | 'eval' | 'xadd'>

class Mine extends RedisPool {
  greet(name: string): Promise<string | null> {
    return this.get(`greeting:${name}`)
  }
}
replies<string | null>()(new Mine().greet('x'), true)

// @ts-expect-error misspelt commands are found
redis.gett('k')
// @ts-expect-error so are misspelt options
createPool({ maxConections: 3 })
// @ts-expect-error a chain gives no promises before exec()
chain.get('k').then
