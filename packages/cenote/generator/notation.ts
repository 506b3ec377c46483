import type { ArgumentFacts, ArgumentType, KeyAccess, KeySpecFacts } from './facts.js'

const ACCESS_LETTERS: Record<KeyAccess, string> = { RO: 'R', RW: 'W', OW: 'O', RM: 'D', NOT_KEY: 'N' }

/**
 * Key specifications as text, used in the specification files and in the generated table:
 * `R@1` one key at argument 1, read; `R@1:-1,2` every second argument up to the last; `W@2#0,1,1` a count at argument 2
 * and the keys behind it; `R@STREAMS,1:-1,1,2` first half of what follows a keyword; `O@?` somewhere. Letters: R read,
 * W read and write, O overwrite, D delete, N not a key (a channel); `~` marks an incomplete one. Positions count the
 * command's name as 0, as the server does.
 */
export function formatKeySpec(spec: KeySpecFacts): string {
  const head = ACCESS_LETTERS[spec.access] + (spec.incomplete ? '~' : '')
  const { begin, find } = spec
  if (begin.kind === 'unknown' || find.kind === 'unknown') return `${head}@?`
  const start = begin.kind === 'index' ? String(begin.index) : `${begin.keyword},${begin.from}`
  if (find.kind === 'keynum') return `${head}@${start}#${find.numIndex},${find.firstKey},${find.step}`
  const range = [find.lastKey, find.step, find.limit]
  if (range[2] === 0) range.pop()
  if (range.length === 2 && range[1] === 1) range.pop()
  return range.length === 1 && range[0] === 0 ? `${head}@${start}` : `${head}@${start}:${range.join(',')}`
}

export function parseKeySpec(text: string): KeySpecFacts {
  const match = /^([RWODN])(~?)@(?:(\?)|(?:(\d+)|([A-Z]+),(-?\d+))(?:([:#])([-\d,]+))?)$/.exec(text)
  if (!match) throw new Error(`not a key specification: ${text}`)
  const [, letter, tilde, unknown, index, keyword, from, kind, numbers] = match
  const access = (Object.keys(ACCESS_LETTERS) as KeyAccess[]).find((name) => ACCESS_LETTERS[name] === letter)!
  const incomplete = tilde === '~'
  if (unknown) return { access, incomplete, begin: { kind: 'unknown' }, find: { kind: 'unknown' } }
  const begin: KeySpecFacts['begin'] =
    index !== undefined
      ? { kind: 'index', index: Number(index) }
      : { kind: 'keyword', keyword: keyword!, from: Number(from) }
  const [a = 0, b = 1, c = 0] = numbers === undefined ? [] : numbers.split(',').map(Number)
  if (kind === '#')
    return { access, incomplete, begin, find: { kind: 'keynum', numIndex: a, firstKey: b, step: c || 1 } }
  return { access, incomplete, begin, find: { kind: 'range', lastKey: a, step: b, limit: c } }
}

const TYPES: Record<string, ArgumentType> = {
  key: 'key',
  string: 'string',
  int: 'integer',
  double: 'double',
  pattern: 'pattern',
  time: 'unix-time',
}

/**
 * Arguments as text, the form of the specification files: capitals are tokens, `name:type` an argument (the type is
 * `string` unless given; an argument called `key` is a key), `[ ]` optional, `( | )` a choice, `( )` a block,
 * `...` after an element repeats it.
 */
export function parseArguments(text: string): ArgumentFacts[] {
  const tokens = text.match(/\.\.\.|[[\]()|]|[^\s[\]()|.]+(?:\.(?!\.\.)[^\s[\]()|.]+)*/g) ?? []
  let at = 0

  function sequence(until: string): ArgumentFacts[] {
    const alternatives: ArgumentFacts[][] = [[]]
    for (;;) {
      const token = tokens[at]
      if (token === undefined ? until === '' : token === until) break
      if (token === undefined) throw new Error(`"${until}" missing in: ${text}`)
      at++
      const current = alternatives[alternatives.length - 1]!
      if (token === '|') alternatives.push([])
      else if (token === '...') current[current.length - 1]!.multiple = true
      else if (token === '[') {
        const inner = wrap(sequence(']'))
        at++
        current.push({ ...inner, optional: true })
      } else if (token === '(') {
        const inner = wrap(sequence(')'))
        at++
        current.push(inner)
      } else current.push(leaf(token))
    }
    return alternatives.length === 1
      ? alternatives[0]!
      : [
          element(
            'option',
            'oneof',
            alternatives.map((alternative) => wrap(alternative)),
          ),
        ]
  }

  return sequence('')
}

/** `EX seconds` is one argument with a token, as the server describes it, not a block of two. */
function wrap(elements: ArgumentFacts[]): ArgumentFacts {
  const [first, second] = elements
  if (elements.length === 1) return first!
  if (elements.length === 2 && first!.type === 'pure-token' && second!.type !== 'pure-token' && !second!.optional) {
    if (second!.token === undefined && !first!.multiple) return { ...second!, token: first!.token }
  }
  return element('block', 'block', elements)
}

function leaf(token: string): ArgumentFacts {
  if (!/[a-z]/.test(token)) return { ...element(token.toLowerCase(), 'pure-token', []), token }
  const [name = '', typeName = name === 'key' ? 'key' : 'string'] = token.split(':')
  const type = TYPES[typeName]
  if (!type) throw new Error(`unknown argument type in ${token}`)
  return element(name, type, [])
}

function element(name: string, type: ArgumentType, children: ArgumentFacts[]): ArgumentFacts {
  return { name, type, token: undefined, optional: false, multiple: false, multipleToken: false, children }
}
