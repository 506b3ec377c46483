/** Numbers for people: thousands separated, three digits that matter. */
export function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

export function ms(value: number): string {
  if (value >= 100) return `${whole(value)} ms`
  return `${value.toFixed(value >= 10 ? 1 : 2)} ms`
}

/** Never rounds a failure away: 99.9996 % stays below 100. */
export function percent(share: number): string {
  const text = (share * 100).toFixed(2)
  return `${share < 1 && text === '100.00' ? '99.99' : text} %`
}

export function seconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(durationMs < 10_000 ? 1 : 0)} s`
}

export function countedCauses(causes: Readonly<Record<string, number>>): string {
  return Object.entries(causes)
    .sort(([, a], [, b]) => b - a)
    .map(([cause, count]) => `${cause} × ${whole(count)}`)
    .join(', ')
}

/** Columns by their widest cell; the first is flush left, the rest right. */
export function columns(rows: readonly (readonly string[])[], indent = ''): string {
  const widths: number[] = []
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length)
  }
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ')
  return rows.map((row) => (indent + line(row)).trimEnd()).join('\n')
}
