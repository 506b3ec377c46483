import { ConfigError } from '../errors.js'

/** An error for a key that nobody knows: names it, and the three accepted ones that look most like it, or else all. */
export function unknownKey(what: string, key: string, accepted: readonly string[]): ConfigError {
  const wanted = key.toLowerCase().replace(/ms$|timeout/g, '')
  const near = accepted.filter((name) => {
    const candidate = name.toLowerCase()
    return (
      wanted !== '' && (candidate.includes(wanted) || (wanted.length > 3 && candidate.startsWith(wanted.slice(0, 4))))
    )
  })
  near.sort((a, b) => Math.abs(a.length - key.length) - Math.abs(b.length - key.length)).splice(3)
  const hint = near.length > 0 ? `did you mean ${near.join(' or ')}?` : `accepted: ${accepted.join(', ')}`
  return new ConfigError(`Unknown ${what} ${key}; ${hint}`)
}

/** @throws ConfigError for the first key that is not accepted */
export function checkKeys(what: string, given: object, accepted: readonly string[]): void {
  for (const key of Object.keys(given)) if (!accepted.includes(key)) throw unknownKey(what, key, accepted)
}
