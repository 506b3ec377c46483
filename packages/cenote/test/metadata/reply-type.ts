/** Whether a value is of a TypeScript type written in the small language of generator/replies.json. */
export function isOfType(value: unknown, type: string): boolean {
  return new TypeReader(type).read()(value)
}

type Check = (value: unknown) => boolean

class TypeReader {
  private readonly tokens: string[]
  private at = 0

  constructor(private readonly text: string) {
    this.tokens = text.match(/'[^']*'|\w+|[^\s\w]/g) ?? []
  }

  read(): Check {
    const check = this.union()
    if (this.at < this.tokens.length) throw new Error(`cannot read "${this.tokens[this.at]}" in ${this.text}`)
    return check
  }

  private union(): Check {
    const members = [this.postfix()]
    while (this.accept('|')) members.push(this.postfix())
    return (value) => members.some((check) => check(value))
  }

  private postfix(): Check {
    let check = this.primary()
    while (this.tokens[this.at] === '[' && this.tokens[this.at + 1] === ']') {
      this.at += 2
      const item = check
      check = (value) => Array.isArray(value) && value.every(item)
    }
    return check
  }

  private primary(): Check {
    const token = this.tokens[this.at++] ?? ''
    if (token === '(') {
      const inner = this.union()
      this.expect(')')
      return inner
    }
    if (token === '[') return this.tuple()
    if (token.startsWith("'")) return (value) => value === token.slice(1, -1)
    if (token === 'null') return (value) => value === null
    if (token === 'unknown') return () => true
    if (token === 'string' || token === 'number') return (value) => typeof value === token
    if (token === 'Record') {
      for (const part of ['<', 'string', ',', 'string', '>']) this.expect(part)
      return (value) =>
        typeof value === 'object' && value !== null && Object.values(value).every((item) => typeof item === 'string')
    }
    throw new Error(`cannot read "${token}" in ${this.text}`)
  }

  private tuple(): Check {
    const items: Check[] = []
    do {
      if (this.tokens[this.at + 1] === ':') this.at += 2
      items.push(this.union())
    } while (this.accept(','))
    this.expect(']')
    return (value) =>
      Array.isArray(value) && value.length === items.length && items.every((check, i) => check(value[i]))
  }

  private accept(token: string): boolean {
    if (this.tokens[this.at] !== token) return false
    this.at++
    return true
  }

  private expect(token: string): void {
    if (!this.accept(token)) throw new Error(`"${token}" missing in ${this.text}`)
  }
}
