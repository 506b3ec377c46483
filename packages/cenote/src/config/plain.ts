/**
 * A plain copy with the inherited keys as well, as ioredis reads options: `Object.create(defaults)` and objects without
 * a prototype work like literals. What somebody added to Object.prototype is no option, nor are the methods of a class
 * compiled to a function, which are enumerable. Symbols are kept.
 */
export function plainCopy(given: object): Record<string, unknown> {
  const copy: Record<PropertyKey, unknown> = {}
  for (const key in given) {
    const value = (given as Record<string, unknown>)[key]
    const holder = holderOf(given, key)
    if (holder === Object.prototype) continue
    if (holder !== given && typeof value === 'function' && Object.hasOwn(holder, 'constructor')) continue
    // A key named __proto__ must become a key, to be refused as unknown like any other.
    Object.defineProperty(copy, key, { value, enumerable: true, writable: true, configurable: true })
  }
  for (const key of Object.getOwnPropertySymbols(given)) copy[key] = (given as Record<symbol, unknown>)[key]
  return copy as Record<string, unknown>
}

function holderOf(given: object, key: string): object {
  let holder: object | null = given
  while (holder !== null && !Object.hasOwn(holder, key)) holder = Object.getPrototypeOf(holder) as object | null
  return holder ?? given
}

/** The object itself when nothing of it would be lost by spreading it. */
export function flattened<T extends object>(given: T): T {
  const prototype = Object.getPrototypeOf(given)
  return prototype === null || prototype === Object.prototype ? given : (plainCopy(given) as T)
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
