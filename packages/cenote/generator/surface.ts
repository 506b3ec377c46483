import type { CommandFacts } from './facts.js'
import { ANY_FORM, type Form, formsOf, type Param, uniqueLabels } from './forms.js'
import type { ReplyData, ReplyTable } from './replies.js'

const PREAMBLE = `
/** A key, a channel or a pattern. */
export type RedisKey = string | Buffer
/** Anything sent as a value; numbers are sent in decimal. */
export type RedisValue = string | Buffer | number
/** A number, or its text. */
export type Numeric = number | string
/** One argument or a list of them: lists are flattened by one level. */
export type Many<A> = A | readonly A[]
export type Callback<R = unknown> = (error?: Error | null, result?: R) => void
/** What a command method returns: a promise on a client, the chain itself (\`C\`) on a pipeline or transaction. */
export type Result<R, C> = C extends 'promise' ? Promise<R> : C
/** A reply that is always the same text, a Buffer in the Buffer twins. */
export type Text<S extends string, T> = T extends string ? S : Buffer
`

/**
 * The typed surface: one interface with all methods, generic over what they return and over the type of text, and a
 * mapped type that makes the Buffer twins of it.
 */
export function renderSurface(commands: CommandFacts[], replies: ReplyTable, data: ReplyData, header: string): string {
  const skip = new Set(data.notMethods.commands.split(' '))
  const methods = commands
    .filter((facts) => isMethodName(facts.name) && !skip.has(facts.name))
    .map((facts) => renderMethod(facts, replies, data.objects.commands[facts.name]))
  return `${header}${PREAMBLE}
/** Methods without their Buffer twins. \`C\` as in {@link Result}; \`T\` is the type of text in replies. */
export interface CommandMethods<C, T> {
${methods.join('\n')}
}

/** \`getBuffer\`, \`hgetallBuffer\`, ...: the same methods, with Buffers where the reply has text. */
export type BufferTwins<C> = {
  [M in keyof CommandMethods<C, Buffer> as \`\${M}Buffer\`]: CommandMethods<C, Buffer>[M]
}

/**
 * Every command as a method, and its Buffer twin.
 * \`Commands<'promise'>\` is a client; \`interface Chain extends Commands<Chain>\` is a pipeline.
 */
export interface Commands<C> extends CommandMethods<C, string>, BufferTwins<C> {}
`
}

/** Names under which commands are methods; a module's JSON.GET is called by \`call\`. */
export function methodNames(commands: CommandFacts[]): string[] {
  return commands.map((facts) => facts.name).filter(isMethodName)
}

export function renderNames(names: string[], header: string): string {
  const lines: string[] = []
  for (const name of names) {
    const last = lines.length - 1
    if (last >= 0 && lines[last]!.length + name.length < 110) lines[last] += ` ${name}`
    else lines.push(name)
  }
  return `${header}
/** Methods to install, in lower case; each has a twin with \`Buffer\` appended. */
export const COMMAND_NAMES: readonly string[] = \`
${lines.join('\n')}
\`
  .trim()
  .split(/\\s+/)
`
}

const isMethodName = (name: string): boolean => !name.includes('.')

interface Overload {
  form: Form
  reply: string
}

function renderMethod(facts: CommandFacts, replies: ReplyTable, objectForm: string | undefined): string {
  const name = /^\w+$/.test(facts.name) ? facts.name : `'${facts.name}'`
  const overloads = facts.subcommands.length > 0 ? containerOverloads(facts, replies) : plainOverloads(facts, replies)
  const lines = distinct([
    ...overloads.map((overload) => signature(name, overload)),
    ...callbackSignatures(name, overloads),
  ])
  if (objectForm !== undefined) {
    const reply = overloads[0]!.reply
    lines.unshift(`  ${name}(${objectForm}, callback?: Callback<${reply}>): Result<${reply}, C>`)
  }
  return [...docComment(facts), ...lines].join('\n')
}

function plainOverloads(facts: CommandFacts, replies: ReplyTable): Overload[] {
  return callForms(facts, 1).map((form) => ({ form, reply: replies.of(facts.name, form) }))
}

/** Documented forms; where the documentation is silent about arguments the arity asks for, anything goes. */
function callForms(facts: CommandFacts, nameLength: number): Form[] {
  if (facts.args.length > 0) return formsOf(facts.args)
  return facts.arity === nameLength ? formsOf([]) : [ANY_FORM]
}

/** \`client('LIST')\`: the subcommand is a literal; those without arguments and with one reply share an overload. */
function containerOverloads(facts: CommandFacts, replies: ReplyTable): Overload[] {
  const result = new Map<string, Overload>()
  if (Math.abs(facts.arity) === 1)
    result.set('', { form: { params: [], loose: false }, reply: replies.of(facts.name, ANY_FORM) })
  for (const sub of facts.subcommands) {
    const literal = sub.name.slice(facts.name.length + 1).toUpperCase()
    for (const form of callForms(sub, 2)) {
      const reply = replies.of(sub.name, form)
      const key =
        form.params.length === 0 ? `0 ${reply}` : `${literal} ${form.params.map((p) => p.type + p.rest).join()}`
      const same = form.params.length === 0 ? result.get(key) : undefined
      const tokens = [...(same?.form.params[0]?.tokens ?? []), literal]
      const first: Param = { label: 'subcommand', type: tokens.map((t) => `'${t}'`).join(' | '), rest: false, tokens }
      result.set(key, { form: { params: uniqueLabels([first, ...form.params]), loose: form.loose }, reply })
    }
  }
  return [...result.values()]
}

/** A fixed form takes its callback as an optional last parameter. */
function signature(name: string, { form, reply }: Overload): string {
  const params = form.params
  const place = params.findIndex((p) => p.rest)
  const text = params.map((p) => (p.rest ? `...${p.label}: ${list(p.type)}` : `${p.label}: ${p.type}`))
  if (place < 0) text.push(`callback?: Callback<${reply}>`)
  const plain = place < 0 || place === params.length - 1 ? text.join(', ') : `...args: [${text.join(', ')}]`
  return `  ${name}(${plain}): Result<${reply}, C>`
}

/**
 * After a rest, a callback needs an overload of its own. One for all such forms that begin alike keeps the surface
 * small: it knows their common beginning and the union of their replies.
 */
function callbackSignatures(name: string, overloads: Overload[]): string[] {
  const groups = new Map<string, Overload[]>()
  for (const overload of overloads.filter(({ form }) => form.params.some((p) => p.rest))) {
    const first = overload.form.params[0]!
    const key = first.label.startsWith('subcommand') ? first.type : ''
    groups.set(key, [...(groups.get(key) ?? []), overload])
  }
  return [...groups.values()].map((group) => {
    const params = group.map(({ form }) => form.params)
    let same = 0
    while (params.every((list) => list[same] && !list[same]!.rest && list[same]!.type === params[0]![same]?.type))
      same++
    const beginning = params[0]!.slice(0, same).map((p) => `${p.label}: ${p.type}, `)
    const reply = [...new Set(group.map((overload) => overload.reply))].join(' | ')
    return `  ${name}(...args: [${beginning.join('')}...rest: Many<RedisValue>[], callback: Callback<${reply}>]): Result<${reply}, C>`
  })
}

const list = (type: string): string => (type.includes('|') ? `(${type})[]` : `Many<${type}>[]`)

/** Overloads that differ in labels only say nothing new. */
function distinct(lines: string[]): string[] {
  const seen = new Map<string, string>()
  for (const line of lines) {
    const key = line.replace(/\b\w+\??: /g, '')
    if (!seen.has(key)) seen.set(key, line)
  }
  return [...seen.values()]
}

function docComment(facts: CommandFacts): string[] {
  const lines = [sentence(facts.summary)]
  const details = [
    facts.complexity && `Complexity: ${facts.complexity.replace(/\.$/, '')}.`,
    facts.since && `Since ${facts.since}.`,
  ].filter(Boolean)
  if (details.length > 0) lines.push(details.join(' '))
  const text = lines.filter(Boolean).map((line) => line.replaceAll('*/', '* /'))
  if (facts.deprecatedSince !== undefined) {
    text.push(`@deprecated since ${facts.deprecatedSince}${facts.replacedBy ? `: use ${facts.replacedBy}` : ''}`)
  }
  return ['  /**', ...text.map((line) => `   * ${line}`), '   */']
}

const sentence = (text: string): string => (text === '' || text.endsWith('.') ? text : `${text}.`)
