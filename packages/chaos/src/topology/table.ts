import type { TopologyResult } from './measure.js'

/** The figures of one client under one fault, in the order of the columns. */
function figures(result: TopologyResult): Record<(typeof COLUMNS)[number], string> {
  const { audit, times, errors, lost } = result
  const { hung, unsaid } = result.unsettled
  return {
    'errors (others)': `${errors.touched} (${errors.others})`,
    unclear: String(unsaid),
    hung: String(hung),
    doubled: String((audit?.flaws.doubled ?? 0) + (audit?.flaws.incrementsTwice ?? 0)),
    'ran twice': String(result.ranTwice),
    'lost (unexcused)': `${lost.excused + lost.unexcused} (${lost.unexcused})`,
    missed: String((audit?.subscription?.missed ?? 0) + (audit?.subscription?.silent.length ?? 0)),
    recovered: ms(times?.recoveredMs),
    served: times?.servedMs === undefined ? 'never' : String(times.servedMs),
    'gap (others)': `${ms(times?.gapTouchedMs)} (${ms(times?.gapOthersMs)})`,
    wait: ms(times?.longestWaitMs),
    maps: String(result.refreshes),
  }
}

const COLUMNS = [
  'errors (others)',
  'unclear',
  'hung',
  'doubled',
  'ran twice',
  'lost (unexcused)',
  'missed',
  'recovered',
  'served',
  'gap (others)',
  'wait',
  'maps',
] as const

const ms = (value: number | undefined): string => (value === undefined ? '-' : String(value))

const width = (column: string): number => Math.max(column.length, 9) + 2

export function topologyHead(): string {
  return ['client'.padEnd(26), ...COLUMNS.map((name) => name.padStart(width(name)))].join('')
}

export function topologyLine(result: TopologyResult): string {
  const found = figures(result)
  return result.client.padEnd(26) + COLUMNS.map((column) => found[column].padStart(width(column))).join('')
}

/** One table per fault, as Markdown. */
export function topologyMarkdown(
  faults: readonly { readonly name: string; readonly title: string; readonly number: number }[],
  results: readonly TopologyResult[],
): string {
  const parts: string[] = []
  for (const { name, title, number } of faults) {
    const own = results.filter(({ fault, times }) => fault === name && times !== undefined)
    if (own.length === 0) continue
    parts.push(`### ${number}. ${title} (\`${name}\`)\n`)
    parts.push(`| client | ${COLUMNS.join(' | ')} |`, `|---|${COLUMNS.map(() => '---:').join('|')}|`)
    for (const result of own) {
      const found = figures(result)
      parts.push(`| ${result.client} | ${COLUMNS.map((column) => found[column]).join(' | ')} |`)
    }
    parts.push('')
  }
  return parts.join('\n')
}
