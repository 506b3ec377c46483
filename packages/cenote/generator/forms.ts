import type { ArgumentFacts } from './facts.js'

/** One parameter of a form: fixed, or the rest (at most one in a form, anywhere). */
export interface Param {
  label: string
  type: string
  rest: boolean
  /** Literals of a token parameter, without quotes. */
  tokens: string[]
  /** A rest that stands for options and values alike. */
  broad?: boolean
}

/** One way to call a command. */
export interface Form {
  params: Param[]
  /** The options come as a list of tokens and numbers in any order. */
  loose: boolean
}

interface Limits {
  /** Orders of trailing options that are all listed; beyond this they become one list, in any order. */
  tail: number
  /** The same for options before something required; beyond this they keep the documented order. */
  inner: number
  /** Choices of options listed in the documented order. */
  subsets: number
}

const GENEROUS: Limits = { tail: 50, inner: 16, subsets: 16 }
const FRUGAL: Limits = { tail: 5, inner: 5, subsets: 1 }
/** A command with more forms than this gets the frugal limits: every form is a line to read and to check. */
const MAX_FORMS = 46

// biome-ignore lint/suspicious/noTemplateCurlyInString: a template literal type
const NUMBER_TEXT = '`${number}`'

/** No labels of parameters. */
const RESERVED = new Set(
  'break case catch class const continue debugger default delete do else enum export extends false finally for function if import in instanceof new null package return super switch this throw true try typeof var void while with'.split(
    ' ',
  ),
)

const TYPES: Record<string, string> = {
  key: 'RedisKey',
  string: 'RedisValue',
  pattern: 'RedisKey',
  integer: 'Numeric',
  double: 'Numeric',
  'unix-time': 'Numeric',
}

type Sequence = Param[] & { loose?: boolean }

/** All forms of a call with these documented arguments, plain ones first. */
export function formsOf(args: ArgumentFacts[]): Form[] {
  const forms = formsWithin(args, GENEROUS)
  return forms.length > MAX_FORMS ? formsWithin(args, FRUGAL) : forms
}

function formsWithin(args: ArgumentFacts[], limits: Limits): Form[] {
  const forms = sequence(args, limits).map((params) => ({ params: singleRest(params), loose: params.loose === true }))
  const distinct = unique(forms, (form) => form.params.map(shape).join())
  return distinct
    .filter((form) => !distinct.some((other) => other !== form && covers(other, form)))
    .sort((a, b) => rank(a) - rank(b))
}

/** Whether a list of values in `wide` takes all that `narrow` adds, and `narrow` shows no token worth completing. */
function covers(wide: Form, narrow: Form): boolean {
  const place = wide.params.length - 1
  const rest = wide.params[place]
  if (!rest?.rest || rest.type !== 'RedisValue' || rest.broad || narrow.params.length < place) return false
  return (
    narrow.params.every((p, i) => i >= place || shape(p) === shape(wide.params[i]!)) &&
    narrow.params.slice(place).every((p) => p.tokens.length === 0)
  )
}

/** A call whose arguments nobody documents. */
export const ANY_FORM: Form = { params: [param('args', 'RedisValue', true)], loose: false }

const shape = (p: Param): string => (p.rest ? `...${p.type}` : p.type)

/** Fixed forms before those with a rest, which would match everything; among these the more specific first. */
function rank(form: Form): number {
  const length = form.params.length
  return form.params.some((p) => p.rest) ? 1000 - length + (form.loose ? 100 : 0) : length
}

function sequence(args: ArgumentFacts[], limits: Limits): Sequence[] {
  let forms: Sequence[] = [[]]
  for (let i = 0; i < args.length; ) {
    let end = i
    while (end < args.length && args[end]!.optional) end++
    const next = end > i ? optionalRun(args.slice(i, end), end === args.length, limits) : single(args[i]!, limits)
    forms = forms.flatMap((head) => next.map((tail) => join(head, tail)))
    i = Math.max(end, i + 1)
  }
  return forms
}

function join(head: Sequence, tail: Sequence): Sequence {
  const joined: Sequence = [...head, ...tail]
  if (head.loose || tail.loose) joined.loose = true
  return joined
}

function single(arg: ArgumentFacts, limits: Limits): Sequence[] {
  let forms = inner(arg, limits)
  if (arg.multiple) forms = [repeated(arg, forms)]
  if (arg.token === undefined || arg.type === 'pure-token') return forms
  return forms.map((form) => [token(arg.token!), ...form])
}

function inner(arg: ArgumentFacts, limits: Limits): Sequence[] {
  switch (arg.type) {
    case 'pure-token':
      return [[token(arg.token!)]]
    case 'block':
      return sequence(arg.children, limits)
    case 'oneof':
      return choice(arg, limits)
    default:
      return [[param(arg.name, TYPES[arg.type] ?? 'RedisValue')]]
  }
}

/** `a b a b ...` is a list of whatever occurs in it; a list of one thing keeps its type. */
function repeated(arg: ArgumentFacts, forms: Sequence[]): Sequence {
  const all = forms.flat()
  const types = [...new Set(all.map((p) => (p.tokens.length > 0 ? 'RedisValue' : p.type)))]
  const only = types.length === 1 && !arg.multipleToken ? types[0]! : 'RedisValue'
  const label =
    all.length === 1 ? `${all[0]!.label}s` : arg.type === 'block' ? all.map((p) => p.label).join('_') : 'args'
  return [param(label.replace(/ss$/, 's').replace(/ys$/, 'ies'), only, true)]
}

/** Alternatives of the same shape become one parameter: `'EX' | 'PX', number`. */
function choice(arg: ArgumentFacts, limits: Limits): Sequence[] {
  const forms = arg.children.flatMap((child) => single(child, limits))
  const merged = new Map<string, Sequence>()
  for (const form of forms) {
    const key = form.map((p) => (p.tokens.length > 0 ? "'" : shape(p))).join()
    const same = merged.get(key)
    if (!same) merged.set(key, [...form])
    else {
      for (const [i, p] of form.entries()) {
        const other = same[i]!
        if (p.tokens.length === 0) {
          if (other.label !== p.label) same[i] = { ...other, label: 'operand' }
          continue
        }
        same[i] = { ...token(...new Set([...other.tokens, ...p.tokens])), label: camel(arg.name) }
      }
    }
  }
  const result = [...merged.values()]
  const openValue = result.find((form) => form.length === 1 && shape(form[0]!) === 'RedisValue')
  return openValue ? result.filter((form) => form === openValue || form.length > 1 || form[0]?.rest) : result
}

/** Options: any of them, in any order where that is affordable. */
function optionalRun(run: ArgumentFacts[], isTail: boolean, limits: Limits): Sequence[] {
  const groups = run.map((arg) => single(arg, limits))
  const orders = countOrders(groups)
  if (orders <= (isTail ? limits.tail : limits.inner)) return subsets(groups).flatMap(permutations).map(flatten)
  const listed =
    groups.reduce((n, group) => n * (group.length + 1), 1) <= limits.subsets ? subsets(groups).map(flatten) : [[]]
  if (!isTail) return listed.length > 1 ? listed : [[], [{ ...param('args', 'RedisValue', true), broad: true }]]
  const elements = groups.flat(2)
  const tokens = [...new Set(elements.flatMap((p) => p.tokens))].map(quote)
  const values = [...new Set(elements.filter((p) => p.tokens.length === 0).map((p) => p.type))]
  const valueTypes = values.every((type) => type === 'Numeric')
    ? values.length > 0
      ? ['number', NUMBER_TEXT]
      : []
    : ['number', 'Buffer', '(string & {})']
  const list: Sequence = [param('options', [...tokens, ...valueTypes].join(' | '), true)]
  list.loose = true
  return [...listed, list]
}

function flatten(forms: Sequence[]): Sequence {
  return forms.reduce<Sequence>(join, [])
}

/** Every choice of some groups, each in one of its forms, in the documented order. */
function subsets(groups: Sequence[][]): Sequence[][] {
  let chosen: Sequence[][] = [[]]
  for (const group of groups) {
    chosen = chosen.concat(chosen.flatMap((before) => group.map((form) => [...before, form])))
  }
  return chosen
}

function permutations<T>(items: T[]): T[][] {
  if (items.length < 2) return [items]
  return items.flatMap((item, i) => permutations(items.filter((_, j) => j !== i)).map((rest) => [item, ...rest]))
}

function countOrders(groups: Sequence[][]): number {
  let byCount = [1]
  for (const group of groups) {
    byCount = [...byCount, 0].map((n, i) => n + (i > 0 ? byCount[i - 1]! * group.length : 0))
  }
  return byCount.reduce((sum, n, i) => sum + n * factorial(i), 0)
}

const factorial = (n: number): number => (n < 2 ? 1 : n * factorial(n - 1))

/** TypeScript allows one rest element: from the first of several on, everything is one list of values. */
function singleRest(params: Param[]): Param[] {
  const first = params.findIndex((p) => p.rest)
  const several = params.filter((p) => p.rest).length > 1
  if (!several) return uniqueLabels(params)
  const broad = params[first]!.broad === true
  return uniqueLabels([...params.slice(0, first), { ...param('args', 'RedisValue', true), broad }])
}

/** `countToken: 'COUNT', count: Numeric`; what is still the same gets a number. */
export function uniqueLabels(params: Param[]): Param[] {
  const seen = new Map<string, number>()
  return params.map((p, i) => {
    const twice = params.some((other, j) => j !== i && other.label === p.label)
    const label = twice && p.tokens.length === 1 ? `${p.label}Token` : p.label
    const count = (seen.get(label) ?? 0) + 1
    seen.set(label, count)
    return { ...p, label: count === 1 ? label : `${label}${count}` }
  })
}

function unique<T>(items: T[], key: (item: T) => string): T[] {
  return [...new Map(items.map((item) => [key(item), item]).reverse() as [string, T][]).values()].reverse()
}

const quote = (text: string): string => `'${text}'`

function token(...tokens: string[]): Param {
  const first = /[A-Za-z]/.test(tokens[0]!) ? camel(tokens[0]!.toLowerCase()) : 'operator'
  return { label: first, type: tokens.map(quote).join(' | '), rest: false, tokens }
}

function param(name: string, type: string, rest = false): Param {
  return { label: camel(name), type, rest, tokens: [] }
}

function camel(name: string): string {
  const label = name.replace(/[^A-Za-z0-9]+(.)?/g, (_, letter: string | undefined) => letter?.toUpperCase() ?? '')
  return RESERVED.has(label) || !/^[A-Za-z]/.test(label) ? `${label}Arg` : label
}
