import { InvalidArgumentError } from 'commander'
import type { Weights } from '../operations.js'

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** `500ms`, `30s`, `2m`, `1h`, or a bare `0`. In milliseconds. */
export function duration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text)
  if (text === '0') return 0
  if (match === null) throw new InvalidArgumentError('Give a number with its unit: 500ms, 30s, 2m.')
  return Number(match[1]) * UNITS[match[2]!]!
}

export function number(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('Give a number.')
  return value
}

/** `99.9%` or `0.999`. */
export function share(text: string): number {
  return text.endsWith('%') ? number(text.slice(0, -1)) / 100 : number(text)
}

/** `94/3/3`: session checks, refreshes, listings. */
export function weights(text: string): Weights {
  const parts = text.split('/').map(number)
  if (parts.length !== 3)
    throw new InvalidArgumentError('Give three weights: session checks/refreshes/listings, 94/3/3.')
  const [me = 0, refresh = 0, list = 0] = parts
  return { me, refresh, list }
}
