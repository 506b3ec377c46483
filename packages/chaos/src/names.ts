import dns from 'node:dns'

const answers = new Map<string, readonly string[]>()
let original: typeof dns.lookup | undefined

/** Resolves a made-up name to these addresses, in their order; every other name goes to the real resolver. */
export function answerFor(name: string, addresses: readonly string[]): void {
  answers.set(name, addresses)
  if (original !== undefined) return
  const real = dns.lookup
  original = real
  const lookup = (asked: string, ...rest: unknown[]): void => {
    const done = rest.at(-1) as (...results: unknown[]) => void
    const options = (rest.length > 1 ? rest[0] : {}) as { all?: boolean }
    const known = answers.get(asked)
    if (known === undefined) {
      ;(real as (...args: unknown[]) => void)(asked, ...rest)
      return
    }
    const found = known.map((address) => ({ address, family: 4 }))
    process.nextTick(() => (options.all === true ? done(null, found) : done(null, found[0]!.address, 4)))
  }
  dns.lookup = lookup as typeof dns.lookup
}

export function stopAnswering(): void {
  answers.clear()
  if (original !== undefined) dns.lookup = original
  original = undefined
}
