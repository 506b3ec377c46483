import type { Form } from './forms.js'

/** The file replies.json. */
export interface ReplyData {
  byType: Record<string, string>
  byForm: { rules: Record<string, [words: string, type: string][]> }
  objects: { commands: Record<string, string> }
  notMethods: { commands: string }
}

export interface ReplyTable {
  /** The reply of one form of a command, as TypeScript in terms of the text type `T`. */
  of(command: string, form: Form): string
  /** Names of the table that no command has. */
  unused(known: Set<string>): string[]
}

export function readReplies(data: ReplyData): ReplyTable {
  const types = new Map<string, string>()
  for (const [type, commands] of Object.entries(data.byType)) {
    for (const command of commands.split(' ')) {
      if (types.has(command)) throw new Error(`replies.json: ${command} is listed twice`)
      types.set(command, type)
    }
  }
  const rules = data.byForm.rules
  return {
    of(command, form) {
      const words = new Set(form.params.flatMap((p) => (p.tokens.length > 0 ? p.tokens : [p.label])))
      if (form.loose) words.add('loose')
      const rule = rules[command]?.find(
        ([pattern]) => pattern === '*' || pattern.split('|').some((word) => words.has(word)),
      )
      return inTermsOfText(rule?.[1] ?? (command.endsWith('|help') ? 'string[]' : (types.get(command) ?? 'unknown')))
    },
    unused: (known) => [...types.keys(), ...Object.keys(rules)].filter((name) => !known.has(name)),
  }
}

function inTermsOfText(type: string): string {
  return type.replace(/'[A-Z]+'/g, (literal) => `Text<${literal}, T>`).replace(/(?<!Record<)\bstring\b/g, 'T')
}
