import fc from 'fast-check'
import type { ArgumentDoc, CommandDoc } from './docs.js'
import { isBytesAsPairs, isExcluded, mayBlock } from './excluded.js'

/** How a command is called. */
export type Form = 'method' | 'buffer' | 'call' | 'CALL' | 'callBuffer'

export interface Invocation {
  readonly name: string
  readonly form: Form
  readonly args: readonly unknown[]
}

export type Step =
  | { readonly kind: 'single'; readonly invocation: Invocation; readonly callback: boolean }
  | { readonly kind: 'together'; readonly invocations: readonly Invocation[] }
  | { readonly kind: 'pipeline' | 'multi'; readonly invocations: readonly Invocation[]; readonly asList: boolean }

const GROUPS = new Set([
  ...['string', 'hash', 'list', 'set', 'sorted-set', 'stream', 'geo', 'bitmap', 'hyperloglog', 'scripting', 'generic'],
  'connection',
])

/** Few keys, named for what they mostly hold, so that commands often meet data of their kind and sometimes not. */
const KINDS: Readonly<Record<string, string>> = {
  string: 's',
  bitmap: 's',
  hash: 'h',
  list: 'l',
  set: 'e',
  'sorted-set': 'z',
  geo: 'g',
  stream: 'x',
  hyperloglog: 'p',
}
const ALL_KEYS = Object.values(KINDS).flatMap((kind) => [`${kind}1`, `${kind}2`])

const words = [
  'a',
  'b',
  'c',
  'field',
  'väl üe',
  '日本',
  '',
  'x\r\ny',
  '1',
  '10',
  '3.5',
  '-2',
  '__proto__',
  'constructor',
]

const text = fc.constantFrom<unknown>(...words)
const binary = fc.constantFrom(Buffer.from([0, 255, 13, 10]), Buffer.from('buffer'), Buffer.alloc(0))
const value = fc.oneof(
  { weight: 8, arbitrary: text },
  { weight: 2, arbitrary: binary },
  { weight: 2, arbitrary: fc.constantFrom<unknown>(7, -1, 2.5, 0) },
)

/** What callers pass by mistake; every client turns it into text somehow. */
const odd = fc.constantFrom<unknown>(
  null,
  undefined,
  true,
  1e21,
  -0,
  Number.NaN,
  1e-7,
  12345678901234567890n,
  [],
  ['a', 'b'],
  [['p', 'q'], 'r'],
  [null, undefined, 3],
  { a: 1 },
  new Map([['m', 2]]),
  new Date(0),
  new Uint8Array([1, 2]),
  'WITHSCORES',
  '9223372036854775807',
  '-9223372036854775808',
)

/** The server would really wait, or really allocate, for what is in between. */
const integer = fc.constantFrom<unknown>(0, 1, 2, 3, -1, -2, 10, '0', '1', '2', '5', '100')
const timestamp = fc.constantFrom<unknown>(4_000_000_000, '4000000000', 1)
const score = fc.constantFrom<unknown>(0, 1, 1.5, -2, '3.25', '-inf', '+inf', '(1', 1e10, '0.1')
const longitude = fc.constantFrom<unknown>(13.361389, '15.087269', 0, '-122.4')
const latitude = fc.constantFrom<unknown>(38.115556, '37.502669', 0, '37.8')
const streamId = fc.constantFrom<unknown>('1-1', '2-1', '3-0', '5', '0', '0-0', '10-5', '-', '+', '>', '(2-1', '$')

/** Results would depend on the millisecond, or block. */
const BY_NAME: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  seconds: fc.constantFrom<unknown>(100_000, '100000', -1, 0),
  milliseconds: fc.constantFrom<unknown>(100_000_000, '100000000', -1),
  'min-idle-time': fc.constantFrom<unknown>(0, '100000000'),
  timeout: fc.constantFrom<unknown>('0.01', 0.01, -1, 'x'),
  ttl: fc.constantFrom<unknown>(0, 100_000_000),
  score,
  min: score,
  max: score,
  increment: fc.constantFrom<unknown>(1, 2, -1, '1.5', 0.1),
  longitude,
  latitude,
  radius: fc.constantFrom<unknown>(200, '100.5'),
  width: fc.constantFrom<unknown>(400),
  height: fc.constantFrom<unknown>(400),
  id: streamId,
  'last-id': streamId,
  start: fc.constantFrom<unknown>(0, 1, '-', '0', '(a', '[a', '-inf'),
  stop: fc.constantFrom<unknown>(-1, 2, '+', '[z', '+inf'),
  end: fc.constantFrom<unknown>(-1, 2, '+'),
  group: fc.constantFrom<unknown>('g', 'other'),
  consumer: fc.constantFrom<unknown>('c1', 'c2'),
  encoding: fc.constantFrom<unknown>('u8', 'i5'),
  offset: fc.constantFrom<unknown>(0, 3, '7', '#1'),
  pattern: fc.constantFrom<unknown>('*', 's*', '[', 'nosort', '?1'),
  bit: fc.constantFrom<unknown>(0, 1, 2),
  cursor: fc.constantFrom<unknown>(0, '0'),
  'destination-db': fc.constant<unknown>(0),
}

const SCRIPTS = [
  'return KEYS',
  'return ARGV',
  "return redis.call('SET', KEYS[1], ARGV[1] or 'none')",
  "return {1, 'a', false, true, 3.99, {ok='fine'}}",
  "return redis.error_reply('MY error')",
  "redis.setresp(3); return redis.call('HGETALL', KEYS[1])",
  'redis.setresp(3); return {double=1.5}',
  'return {map={a=1,b=2}}',
  'broken lua (',
]

/** Arguments by the book, some of which are then spoiled. */
export function argumentsFor(doc: CommandDoc): fc.Arbitrary<unknown[]> {
  if (/^eval(_ro)?$/.test(doc.name)) {
    const keys = fc.array(fc.constantFrom<unknown>(...ALL_KEYS), { maxLength: 2 })
    return fc
      .tuple(fc.constantFrom(...SCRIPTS), keys, fc.array(value, { maxLength: 2 }))
      .map(([script, names, args]) => [script, names.length, ...names, ...args])
  }
  return list(doc.args, doc)
}

function list(args: readonly ArgumentDoc[], doc: CommandDoc): fc.Arbitrary<unknown[]> {
  if (args.length === 0) return fc.constant([])
  const counted = args.findIndex((arg) => arg.name === 'numkeys')
  if (counted >= 0) {
    // numkeys key [key ...]: mostly the right number.
    return fc
      .integer({ min: 1, max: 3 })
      .chain((count) =>
        fc
          .tuple(
            ...args.map((arg, i) =>
              i === counted
                ? fc.constant([count])
                : i === counted + 1
                  ? argument({ ...arg, optional: false }, doc, count)
                  : argument(arg, doc),
            ),
          )
          .map((parts) => parts.flat()),
      )
  }
  return fc.tuple(...args.map((arg) => argument(arg, doc))).map((parts) => parts.flat())
}

function argument(arg: ArgumentDoc, doc: CommandDoc, times?: number): fc.Arbitrary<unknown[]> {
  const token = arg.token !== undefined && arg.type !== 'pure-token' ? [arg.token] : []
  const one = body(arg, doc)
  const bounds = times === undefined ? { minLength: 1, maxLength: 3 } : { minLength: times, maxLength: times }
  const many = arg.multiple
    ? fc
        .array(one, bounds)
        .map((all) => (arg.multipleToken ? all.flatMap((item) => [...token, ...item]) : [...token, ...all.flat()]))
    : one.map((item) => [...token, ...item])
  return arg.optional
    ? fc.oneof({ weight: 2, arbitrary: fc.constant<unknown[]>([]) }, { weight: 1, arbitrary: many })
    : many
}

function body(arg: ArgumentDoc, doc: CommandDoc): fc.Arbitrary<unknown[]> {
  switch (arg.type) {
    case 'pure-token':
      // An id made of the time would differ.
      return fc.constant([arg.token === '*' ? '7-*' : (arg.token ?? '')])
    case 'oneof':
      return fc.oneof(...arg.children.map((child) => argument({ ...child, optional: false }, doc)))
    case 'block':
      return list(arg.children, doc)
    case 'key': {
      const kind = KINDS[doc.group] ?? 's'
      return fc
        .oneof(
          { weight: 9, arbitrary: fc.constantFrom<unknown>(`${kind}1`, `${kind}2`) },
          { weight: 1, arbitrary: fc.constantFrom<unknown>(...ALL_KEYS, Buffer.from(`${kind}1`)) },
        )
        .map((key) => [key])
    }
    default:
      return leaf(arg).map((item) => [item])
  }
}

function leaf(arg: ArgumentDoc): fc.Arbitrary<unknown> {
  if (arg.token === 'BLOCK') return fc.constantFrom<unknown>(1, '5')
  const named = BY_NAME[arg.name]
  if (named !== undefined) return named
  if (arg.type === 'integer') return integer
  if (arg.type === 'double') return score
  if (arg.type === 'unix-time') return timestamp
  return value
}

/** One in six calls has an argument too few, too many, or one that makes no sense. */
function spoiled(args: fc.Arbitrary<unknown[]>): fc.Arbitrary<unknown[]> {
  const broken = fc
    .tuple(args, fc.constantFrom('drop', 'add', 'replace'), fc.nat(8), odd)
    .map(([list, how, at, item]) => {
      const copy = [...list]
      const place = copy.length === 0 ? 0 : at % copy.length
      if (how === 'drop') copy.splice(place, 1)
      else if (how === 'add') copy.splice(place + 1, 0, item)
      else copy[place] = item
      return copy
    })
  return fc.oneof({ weight: 5, arbitrary: args }, { weight: 1, arbitrary: broken })
}

const form = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Form>('method') },
  { weight: 2, arbitrary: fc.constant<Form>('buffer') },
  { weight: 1, arbitrary: fc.constantFrom<Form>('call', 'CALL', 'callBuffer') },
)

function invocation(doc: CommandDoc, spoil: boolean): fc.Arbitrary<Invocation> {
  const [name = '', sub] = doc.name.split('|')
  const args = argumentsFor(doc)
  return fc.tuple(form, spoil ? spoiled(args) : args).map(([how, args]) => {
    const all = sub === undefined ? args : [sub.toUpperCase(), ...args]
    return { name, form: how, args: isBytesAsPairs(name, all) ? [...all, 'value'] : all }
  })
}

/** Pairs may be given as an object or a Map. */
const withObjects: fc.Arbitrary<Invocation> = fc
  .tuple(
    fc.constantFrom('hset', 'hmset', 'mset', 'msetnx'),
    fc.dictionary(fc.constantFrom('s1', 's2', 'a', '__x', '日本'), value, { maxKeys: 3, noNullPrototype: true }),
    fc.boolean(),
    form,
  )
  .map(([name, pairs, asMap, how]) => {
    const given = asMap ? new Map(Object.entries(pairs)) : pairs
    return { name, form: how, args: name.startsWith('h') ? ['h1', given] : [given] }
  })

/**
 * Sequences of steps over the data commands of a server.
 * @param spoil whether some calls are made with wrong arguments
 */
export function sequences(docs: readonly CommandDoc[], spoil = true): fc.Arbitrary<Step[]> {
  const usable = docs.filter((doc) => GROUPS.has(doc.group) && !isExcluded(doc.name))
  // Commands that write something first: empty databases agree on everything.
  const one = fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...usable).chain((doc) => invocation(doc, spoil)) },
    {
      weight: 6,
      arbitrary: fc
        .constantFrom(...usable.filter(({ name }) => WRITERS.has(name)))
        .chain((doc) => invocation(doc, spoil)),
    },
    { weight: 1, arbitrary: withObjects },
  )
  const several = fc.array(one, { minLength: 1, maxLength: 6 })
  // On the pool a blocking command gives up its place among the others.
  const together = several.map((all) => all.filter((each) => !mayBlock(each)))
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 16,
      arbitrary: fc.record({ kind: fc.constant('single' as const), invocation: one, callback: fc.boolean() }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('together' as const), invocations: together }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('pipeline' as const), invocations: several, asList: fc.boolean() }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('multi' as const), invocations: several, asList: fc.boolean() }),
    },
  )
  return fc.array(step, { minLength: 10, maxLength: 25 })
}

const WRITERS = new Set([
  'set',
  'mset',
  'append',
  'hset',
  'rpush',
  'lpush',
  'sadd',
  'zadd',
  'geoadd',
  'xadd',
  'xgroup|create',
  'pfadd',
  'setbit',
  'zincrby',
])
