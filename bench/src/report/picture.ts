import {
  type BenchResult,
  bestRival,
  cpuUs,
  extra,
  figure,
  isFloor,
  isOurs,
  type Metric,
  ourClient,
  p99,
  perSecond,
  ratio,
  type WorkloadResult,
  workloadOf,
} from './results.js'
import type { Spread } from './stats.js'
import { compact, FAINT, fixed, GRID, INK, LogScale, line, rect, text, whisker } from './svg.js'

const WIDTH = 980
const MARGIN = 28
const ROW = 26
const BAR = 15
const NAMES = 172
const GAP = 36

const OURS = '#1d8a8a'
const RIVAL = '#9aa5b1'
const FLOOR = '#ffffff'

/** What the run found out, as one self-contained SVG: bars are medians, whiskers reach from least to greatest round. */
export function renderPicture(result: BenchResult): string {
  const parts: string[] = []
  let y = 92
  for (const panel of panels(result)) {
    parts.push(panel.draw(y))
    y += panel.height + GAP
  }
  const height = Math.max(120, y - GAP + 16)
  const { machine } = result
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${fixed(height)}" width="${WIDTH}" height="${fixed(height)}" font-family="system-ui, 'Segoe UI', sans-serif" font-size="13" fill="${INK}">`,
    '<title>cenote beside other Redis clients for Node.js</title>',
    '<defs><pattern id="floor" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">' +
      `<rect width="6" height="6" fill="${FLOOR}"/><line x1="0" y1="0" x2="0" y2="6" stroke="${RIVAL}" stroke-width="2"/></pattern></defs>`,
    rect(0, 0, WIDTH, height, '#ffffff', 'rx="8"'),
    text(MARGIN, 34, 'cenote beside other Redis clients for Node.js', 'font-size="20" font-weight="600"'),
    text(
      MARGIN,
      54,
      `Medians of ${result.rounds} rounds, lines from least to greatest; every reply verified. ` +
        `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, Redis ${machine.redis}.`,
      `fill="${FAINT}" font-size="12"`,
    ),
    ...parts,
    '</svg>',
    '',
  ].join('\n')
}

interface Panel {
  readonly height: number
  draw(top: number): string
}

function panels(result: BenchResult): Panel[] {
  const found: (Panel | undefined)[] = [
    charted(workloadOf(result, 'get-set-1000'), 'GET:SET 9:1, 100 bytes, 1,000 callers, one process', [
      ['commands per second', perSecond],
      ['CPU µs per command', cpuUs],
    ]),
    comparisons(result),
    charted(workloadOf(result, 'service'), 'The authentication service: session checks of 1,000 users', [
      ['requests per second', perSecond],
      ['p99, ms', p99],
      ['CPU µs per request', cpuUs],
    ]),
    charted(
      workloadOf(result, 'mixed'),
      'Small GETs while others block, watch and read 1 MiB values',
      [
        ['p99 alone, ms', extra('aloneP99Ms')],
        ['p99 beside the others, ms', extra('mixedP99Ms')],
      ],
      'one scale',
    ),
  ]
  return found.filter((panel) => panel !== undefined)
}

interface Row {
  readonly name: string
  readonly figures: readonly (Spread | undefined)[]
}

/** Charts side by side with the clients' names shared. */
function charted(
  workload: WorkloadResult | undefined,
  title: string,
  wanted: readonly (readonly [string, Metric])[],
  scales: 'own scales' | 'one scale' = 'own scales',
): Panel | undefined {
  if (workload === undefined) return undefined
  const measured = (metric: Metric) => workload.clients.some((client) => figure(client, metric) !== undefined)
  const charts = wanted.filter(([, metric]) => measured(metric))
  const rows: Row[] = workload.clients
    .map((client) => ({ name: client.client, figures: charts.map(([, metric]) => figure(client, metric)) }))
    .filter(({ figures }) => figures.every((spread) => spread !== undefined && spread.min > 0))
  if (charts.length === 0 || rows.length < 2) return undefined
  const moreIsBetter = charts[0]![1] === perSecond
  rows.sort((a, b) => (b.figures[0]!.median - a.figures[0]!.median) * (moreIsBetter ? 1 : -1))
  const extent = (figures: Row['figures']) => figures.flatMap((spread) => [spread!.min, spread!.max])
  const everything = rows.flatMap(({ figures }) => extent(figures))
  const width = (WIDTH - 2 * MARGIN - NAMES) / charts.length
  return {
    height: 44 + rows.length * ROW + 18,
    draw: (top) =>
      [
        text(MARGIN, top, title, 'font-size="15" font-weight="600"'),
        ...rows.map(({ name }, i) => clientName(name, top + 44 + i * ROW)),
        ...charts.map(([heading], column) =>
          bars(
            rows.map(({ name, figures }) => ({ name, spread: figures[column]! })),
            heading,
            top + 20,
            new LogScale(
              scales === 'one scale' ? everything : rows.flatMap(({ figures }) => extent([figures[column]])),
              MARGIN + NAMES + column * width,
              width - 78,
            ),
          ),
        ),
      ].join('\n'),
  }
}

function clientName(name: string, top: number): string {
  const weight = isOurs(name) ? 'font-weight="600"' : ''
  return text(MARGIN + NAMES - 10, top + BAR - 3, label(name), `text-anchor="end" ${weight}`)
}

const label = (name: string): string => (isFloor(name) ? 'bare socket (floor)' : name.replace('@', ' × '))

const colour = (name: string): string => (isOurs(name) ? OURS : isFloor(name) ? 'url(#floor)' : RIVAL)

function bars(
  rows: readonly { readonly name: string; readonly spread: Spread }[],
  heading: string,
  top: number,
  scale: LogScale,
): string {
  const { left } = scale
  const bottom = top + 24 + rows.length * ROW
  return [
    text(left, top, `${heading} (log scale)`, `fill="${FAINT}" font-size="12"`),
    ...grid(scale, top + 14, bottom),
    ...rows.map(({ name, spread }, i) => {
      const y = top + 24 + i * ROW
      const outline = isFloor(name) ? `stroke="${RIVAL}"` : ''
      const end = scale.at(spread.median)
      return [
        rect(left, y, end - left, BAR, colour(name), outline),
        whisker(scale.at(spread.min), scale.at(spread.max), y + BAR / 2),
        text(scale.at(spread.max) + 7, y + BAR - 3, compact(spread.median), isOurs(name) ? 'font-weight="600"' : ''),
      ].join('')
    }),
  ].join('\n')
}

function grid(scale: LogScale, top: number, bottom: number, show: (value: number) => string = compact): string[] {
  return scale.powers.map(
    (power) =>
      line(scale.at(power), top, scale.at(power), bottom, GRID) +
      text(scale.at(power), bottom + 13, show(power), `text-anchor="middle" fill="${FAINT}" font-size="11"`),
  )
}

/** How many times the best rival's throughput, workload by workload. */
function comparisons(result: BenchResult): Panel | undefined {
  const rows = result.workloads.flatMap((workload) => {
    const ours = ourClient(workload)
    const rival = bestRival(workload)
    if (ours === undefined || rival === undefined || workload.id === 'mixed') return []
    const spread = ratio(workload, ours, rival, perSecond)
    const floor = workload.clients.find(({ client }) => isFloor(client))
    const toFloor = floor && ratio(workload, floor.client, rival, perSecond)
    return spread === undefined ? [] : [{ title: workload.title, rival, spread, toFloor }]
  })
  if (rows.length === 0) return undefined
  const names = 330
  const left = MARGIN + names
  const width = WIDTH - 2 * MARGIN - names - 190
  return {
    height: 44 + rows.length * ROW + 18,
    draw: (top) => {
      const all = rows.flatMap(({ spread, toFloor }) => [spread.min, spread.max, ...(toFloor ? [toFloor.median] : [])])
      const scale = new LogScale([0.99, ...all], left, width)
      const bottom = top + 44 + rows.length * ROW
      const one = scale.at(1)
      return [
        text(MARGIN, top, 'Throughput: how many times the best rival’s', 'font-size="15" font-weight="600"'),
        text(
          left,
          top + 20,
          'cenote ÷ best rival (log scale); ◆ the bare socket ÷ the same rival',
          `fill="${FAINT}" font-size="12"`,
        ),
        ...grid(scale, top + 34, bottom, (power) => `${compact(power)}×`),
        ...rows.map(({ title, rival, spread, toFloor }, i) => {
          const y = top + 44 + i * ROW
          const end = scale.at(spread.median)
          const last = Math.max(scale.at(spread.max), one, toFloor === undefined ? 0 : scale.at(toFloor.median))
          return [
            text(left - 10, y + BAR - 3, title, 'text-anchor="end" font-size="12"'),
            rect(Math.min(one, end), y, Math.abs(end - one), BAR, spread.median >= 1 ? OURS : '#c62828'),
            whisker(scale.at(spread.min), scale.at(spread.max), y + BAR / 2),
            toFloor === undefined ? '' : diamond(scale.at(toFloor.median), y + BAR / 2),
            text(last + 9, y + BAR - 3, `${compact(spread.median)}× ${label(rival)}`, 'font-size="12"'),
          ].join('')
        }),
        line(one, top + 34, one, bottom, INK),
      ].join('\n')
    },
  }
}

function diamond(x: number, y: number): string {
  const points = [
    [x, y - 5],
    [x + 5, y],
    [x, y + 5],
    [x - 5, y],
  ]
  const list = points.map(([px, py]) => `${fixed(px!)},${fixed(py!)}`).join(' ')
  return `<polygon points="${list}" fill="#ffffff" stroke="${INK}" stroke-width="1.2"/>`
}
