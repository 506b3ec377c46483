/** Also used for replies that are pairs on RESP2. `__proto__` becomes an own property like any other name. */
export function toObject(pairs: readonly unknown[]): Record<string, unknown> {
  const object: Record<string, unknown> = {}
  for (let i = 0; i + 1 < pairs.length; i += 2) {
    const name = pairs[i]
    const key = typeof name === 'string' ? name : String(name)
    // The one name whose assignment would not make a property.
    if (key === '__proto__') {
      Object.defineProperty(object, key, { value: pairs[i + 1], enumerable: true, configurable: true, writable: true })
    } else {
      object[key] = pairs[i + 1]
    }
  }
  return object
}
