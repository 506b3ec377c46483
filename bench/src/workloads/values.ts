/** Text of exactly `bytes` characters, different for each number, from the start on and at the end. */
export function asciiValue(number: number, bytes: number): string {
  const mark = `<${number}>`
  return flat(`${mark}${'abcdefghij'.repeat(Math.ceil(bytes / 10))}`.slice(0, bytes - mark.length) + mark)
}

/** Text of about `bytes` bytes in UTF-8, most of it beyond ASCII: two, three and four bytes per character. */
export function multibyteValue(number: number, bytes: number): string {
  const mark = `<${number}>`
  return flat(mark + 'äßéж水火🌊'.repeat(Math.ceil(bytes / 18)) + mark)
}

/** Strings built by concatenation are ropes that the first comparison flattens; that is not what is measured. */
function flat(text: string): string {
  return Buffer.from(text).toString()
}
