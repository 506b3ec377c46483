import type { SpreadInto } from '../../metadata/lookup.js'

/**
 * One answer made of those of several servers.
 * @param places which keys of the whole each part had, by their order
 */
export function combine(into: SpreadInto, values: readonly unknown[], places: readonly (readonly number[])[]): unknown {
  switch (into) {
    case 'same':
    case 'one':
      return values[0]
    case 'any':
      return oneOf(values.filter((value) => value !== null))
    case 'sum':
      return sum(values)
    case 'min':
      return Array.isArray(values[0]) ? columns(values).map(least) : least(values)
    case 'and':
      return columns(values).map((column) => (column.every((value) => Number(value) === 1) ? 1 : 0))
    case 'order':
      return inOrder(values, places)
    case 'join':
      return values.flatMap((value) => (Array.isArray(value) ? value : [value]))
    case 'distinct':
      return distinct(values.flat())
    case 'pairs':
      return addPairs(values)
  }
}

const oneOf = (values: readonly unknown[]): unknown => values[Math.floor(Math.random() * values.length)] ?? null

/** Text where numbers are wanted as text. */
function sum(values: readonly unknown[]): unknown {
  const total = values.reduce<number>((total, value) => total + Number(value), 0)
  return typeof values[0] === 'string' ? String(total) : total
}

const least = (values: readonly unknown[]): number => Math.min(...values.map(Number))

function columns(rows: readonly unknown[]): unknown[][] {
  const [first] = rows as unknown[][]
  return (first ?? []).map((_, i) => rows.map((row) => (row as unknown[])[i]))
}

function inOrder(values: readonly unknown[], places: readonly (readonly number[])[]): unknown[] {
  const all: unknown[] = []
  for (const [i, value] of values.entries()) {
    for (const [j, place] of places[i]!.entries()) all[place] = (value as unknown[])[j]
  }
  return all
}

function distinct(values: readonly unknown[]): unknown[] {
  const seen = new Map<string, unknown>()
  for (const value of values) seen.set(Buffer.isBuffer(value) ? value.toString('latin1') : String(value), value)
  return [...seen.values()]
}

/** `[name, number, …]` from each. */
function addPairs(values: readonly unknown[]): unknown[] {
  const [first] = values as unknown[][]
  return (first ?? []).map((item, i) => (i % 2 === 0 ? item : sum(values.map((value) => (value as unknown[])[i]))))
}
