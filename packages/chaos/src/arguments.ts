/** A whole number given on the command line. @throws Error that names the option and what it takes */
export function wholeNumber(option: string, text: string, least = 0): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < least)
    throw new Error(`--${option} takes a whole number from ${least}, not ${text}`)
  return value
}
