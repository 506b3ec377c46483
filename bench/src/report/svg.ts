export const INK = '#1f2933'
export const FAINT = '#616e7c'
export const GRID = '#e4e7eb'

export const fixed = (value: number): string => String(Math.round(value * 10) / 10)

export function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

export function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${fixed(x)}" y="${fixed(y)}" ${attributes}>${escapeText(content)}</text>`
}

export function rect(x: number, y: number, width: number, height: number, fill: string, attributes = ''): string {
  const size = `width="${fixed(Math.max(0, width))}" height="${fixed(height)}"`
  return `<rect x="${fixed(x)}" y="${fixed(y)}" ${size} fill="${fill}" ${attributes}/>`
}

export function line(x1: number, y1: number, x2: number, y2: number, stroke: string, attributes = ''): string {
  return `<line x1="${fixed(x1)}" y1="${fixed(y1)}" x2="${fixed(x2)}" y2="${fixed(y2)}" stroke="${stroke}" ${attributes}/>`
}

/** From the least to the greatest round, with a tick at either end. */
export function whisker(from: number, to: number, y: number): string {
  const stroke = 'stroke-width="1.2"'
  return (
    line(from, y, to, y, INK, stroke) +
    line(from, y - 3, from, y + 3, INK, stroke) +
    line(to, y - 3, to, y + 3, INK, stroke)
  )
}

/** Positions on a logarithmic axis between whole powers of ten. */
export class LogScale {
  private readonly low: number
  private readonly high: number

  /** @param values all greater than 0 */
  constructor(
    values: readonly number[],
    readonly left: number,
    private readonly width: number,
  ) {
    this.low = Math.floor(Math.log10(Math.min(...values)) + 1e-9)
    this.high = Math.max(this.low + 1, Math.ceil(Math.log10(Math.max(...values)) - 1e-9))
  }

  at(value: number): number {
    return this.left + ((Math.log10(value) - this.low) / (this.high - this.low)) * this.width
  }

  get powers(): readonly number[] {
    return Array.from({ length: this.high - this.low + 1 }, (_, i) => 10 ** (this.low + i))
  }
}

/** 1,350,000 as `1.35 M`, 22,400 as `22.4 k`, small figures with three digits. */
export function compact(value: number): string {
  if (value >= 1e6) return `${round3(value / 1e6)} M`
  if (value >= 1e4) return `${round3(value / 1e3)} k`
  if (value >= 100) return Math.round(value).toLocaleString('en-US')
  return round3(value)
}

const round3 = (value: number): string => String(Number(value.toPrecision(3)))
