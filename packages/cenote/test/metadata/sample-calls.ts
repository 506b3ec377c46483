import type { ArgumentFacts, CommandFacts } from '../../generator/facts.js'

/** A call written from a command's documented arguments, all keys `key<n>`, so that they can be told from the rest. */
export interface SampleCall {
  command: string
  args: string[]
}

/** Deterministic: the same seed gives the same calls on every machine. */
export function sampleCalls(facts: CommandFacts, count: number, seed: number): SampleCall[] {
  const random = mulberry32(seed ^ hash(facts.name))
  return Array.from({ length: count }, () => new Writer(random).call(facts))
}

class Writer {
  private keys = 0
  private values = 0
  /** How many keys the count before them announced. */
  private announced: number | undefined

  constructor(private readonly random: () => number) {}

  call(facts: CommandFacts): SampleCall {
    const [command = '', sub] = facts.name.split('|')
    return { command, args: [...(sub === undefined ? [] : [sub]), ...this.all(facts.args)] }
  }

  private all(args: ArgumentFacts[]): string[] {
    return args.flatMap((arg) => (arg.optional && this.random() < 0.5 ? [] : this.one(arg)))
  }

  private one(arg: ArgumentFacts): string[] {
    let times = arg.multiple ? 1 + Math.floor(this.random() * 3) : 1
    if (arg.multiple && this.announced !== undefined && holdsKey(arg)) {
      times = this.announced
      this.announced = undefined
    }
    // STREAMS key [key ...] id [id ...]: as many ids as keys.
    if (arg.multiple && arg.name === 'id' && this.streams > 0) times = this.streams
    const token = arg.token === undefined || arg.type === 'pure-token' ? [] : [arg.token]
    const out: string[] = [...token]
    for (let i = 0; i < times; i++) {
      if (i > 0 && arg.multipleToken) out.push(...token)
      out.push(...this.body(arg))
    }
    if (arg.type === 'key' && arg.multiple) this.streams = times
    return out
  }

  private streams = 0

  private body(arg: ArgumentFacts): string[] {
    switch (arg.type) {
      case 'pure-token':
        return [arg.token!]
      case 'oneof':
        return this.one(arg.children[Math.floor(this.random() * arg.children.length)]!)
      case 'block':
        return this.all(arg.children)
      case 'key':
        return [`key${++this.keys}`]
      case 'integer':
        if (arg.name === 'numkeys') {
          this.announced = 1 + Math.floor(this.random() * 3)
          return [String(this.announced)]
        }
        return [String(1 + Math.floor(this.random() * 5))]
      case 'double':
      case 'unix-time':
        return ['1']
      default:
        return [`value${++this.values}`]
    }
  }
}

function holdsKey(arg: ArgumentFacts): boolean {
  return arg.type === 'key' || arg.children.some(holdsKey)
}

function hash(text: string): number {
  let h = 2166136261
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619)
  return h
}

function mulberry32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
