import type { FaultResult } from '../run.js'
import type { Scenario } from '../scenario.js'

export interface PeerResult extends FaultResult {
  /** Exceptions that reached nobody's promise. */
  readonly uncaught: number
  /** The process had to be ended. */
  readonly stuck: boolean
}

/** What is compared, of one client under one fault. */
interface Figures {
  readonly noticed: string
  readonly served: string
  readonly errors: number
  readonly unclear: number
  readonly hung: number
  readonly doubled: number
  readonly lost: number
  readonly foreign: number
}

function figures(result: PeerResult): Figures | undefined {
  const { audit } = result
  if (audit === undefined) return undefined
  const { ok: _ok, hung, ...failed } = audit.byVerdict
  return {
    noticed: result.noticedMs === undefined ? '–' : String(result.noticedMs),
    served: result.servedMs === undefined ? 'never' : String(result.servedMs),
    errors: Object.values(failed).reduce((sum, count) => sum + count, 0),
    unclear: audit.byVerdict.unsaid,
    hung,
    doubled: audit.flaws.doubled + audit.flaws.incrementsTwice,
    lost: audit.flaws.lost + audit.flaws.incrementsLost,
    foreign: audit.foreignReplies,
  }
}

const COLUMNS = ['noticed', 'served', 'errors', 'unclear', 'hung', 'doubled', 'lost', 'foreign'] as const

export function peerHead(): string {
  return ['client'.padEnd(34), ...COLUMNS.map((name) => name.padStart(9))].join('')
}

export function peerLine(result: PeerResult): string {
  const found = figures(result)
  const name = result.client.padEnd(34)
  if (found === undefined)
    return `${name} ${result.skipped ?? (result.stuck ? 'stuck: no result in 45 s' : 'no result')}`
  const note = result.uncaught > 0 ? `   ${result.uncaught} exceptions outside any call` : ''
  return name + COLUMNS.map((column) => String(found[column]).padStart(9)).join('') + note
}

/** The same as Markdown, one table per fault. */
export function markdown(
  faults: readonly Scenario[],
  clients: readonly string[],
  results: readonly PeerResult[],
): string {
  const parts: string[] = []
  for (const fault of faults) {
    parts.push(`### ${fault.title} (\`${fault.name}\`)\n`)
    parts.push(`| client | ${COLUMNS.join(' | ')} |`, `|---|${COLUMNS.map(() => '---:').join('|')}|`)
    for (const client of clients) {
      const result = results.find((one) => one.fault === fault.name && one.client === client)
      if (result === undefined) continue
      const found = figures(result)
      const cells = COLUMNS.map((column) => String(found?.[column] ?? 'no result'))
      parts.push(`| ${client} | ${cells.join(' | ')} |`)
    }
    parts.push('')
  }
  return parts.join('\n')
}
