import type { FaultResult } from './run.js'

function pad(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width)
}

const milliseconds = (value: number | undefined): string => (value === undefined ? '-' : `${value}`)

const WIDTHS = [28, 12, 9, 9, 8, 8, 9, 9, 9, 6]
const HEADS = ['fault', 'client', 'noticed', 'served', 'calls', 'ok', 'rejected', 'not-sent', 'unknown', 'hung']

export function head(): string {
  return `${HEADS.map((text, i) => pad(text, WIDTHS[i]!)).join(' ')} verdict\n${'─'.repeat(132)}`
}

/** One line of the table. Times in ms: fault to first error, healing to first success. */
export function line(result: FaultResult): string {
  if (result.skipped !== undefined) return `${pad(result.fault, 28)} not run: ${result.skipped}`
  const counts = result.audit?.byVerdict
  const cells = [
    result.fault,
    result.client,
    milliseconds(result.noticedMs),
    milliseconds(result.servedMs),
    String(result.calls),
    String(counts?.ok ?? ''),
    String(counts?.rejected ?? ''),
    String(counts?.['not-sent'] ?? ''),
    String((counts?.unknown ?? 0) + (counts?.unsaid ?? 0)),
    String(counts?.hung ?? ''),
  ]
  const verdict = result.violations.length === 0 ? 'ok' : result.violations.join('; ')
  return `${cells.map((text, i) => pad(text, WIDTHS[i]!)).join(' ')} ${verdict}`
}
