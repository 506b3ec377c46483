import type { Goal } from './goals.js'
import {
  type BenchResult,
  type ClientResult,
  cpuUs,
  extra,
  figure,
  isOurs,
  type Metric,
  ourClient,
  perSecond,
  ratio,
  type WorkloadResult,
} from './results.js'
import type { Spread } from './stats.js'

const whole = (value: number): string => Math.round(value).toLocaleString('en-US')
/** Three significant digits, never an exponent. */
export const short = (value: number): string =>
  value >= 100 ? whole(value) : value.toLocaleString('en-US', { maximumSignificantDigits: 3 })

const middle = (spread: Spread | undefined, show: (value: number) => string): string =>
  spread === undefined ? '-' : show(spread.median)

function times(spread: Spread | undefined): string {
  if (spread === undefined) return '-'
  return `${short(spread.median)}× (${short(spread.min)}..${short(spread.max)})`
}

type Column = readonly [head: string, cell: (client: ClientResult, workload: WorkloadResult) => string]

const number = (head: string, metric: Metric, show = short): Column => [
  head,
  (client) => middle(figure(client, metric), show),
]

const usual: readonly Column[] = [
  number('per second', perSecond, whole),
  [
    'cenote : it',
    (client, workload) => {
      const ours = ourClient(workload)
      return ours === undefined || isOurs(client.client) ? '' : times(ratio(workload, ours, client.client, perSecond))
    },
  ],
  number('CPU µs', cpuUs),
  number('server µs', (measurement) => measurement.serverCpuUs),
  number('p50 ms', (measurement) => measurement.latencyMs?.p50),
  number('p95 ms', (measurement) => measurement.latencyMs?.p95),
  number('p99 ms', (measurement) => measurement.latencyMs?.p99),
  number('connections', (measurement) => measurement.connections, whole),
]

const special: Readonly<Record<string, readonly Column[]>> = {
  mixed: [
    number('p50 alone ms', extra('aloneP50Ms')),
    number('p99 alone ms', extra('aloneP99Ms')),
    number('p50 beside ms', extra('mixedP50Ms')),
    number('p99 beside ms', extra('mixedP99Ms')),
    ['beside : alone', (client) => times(figure(client, extra('p99Ratio')))],
    number('1 MiB/s', extra('largePerSecond')),
    number('WATCH/s', extra('committedPerSecond')),
    number('BLPOP/s', extra('poppedPerSecond')),
    number('CPU µs', cpuUs),
    number('connections', (measurement) => measurement.connections, whole),
  ],
  'memory-idle': [
    number('RSS KiB', (measurement) => kib(measurement.extra?.rssBytes), whole),
    number('heap and buffers KiB', (measurement) => kib(measurement.extra?.heldBytes), whole),
    number('connections', (measurement) => measurement.connections, whole),
  ],
  'memory-parked': [
    number('bytes per command', extra('bytesPerCommand'), whole),
    number('parked', extra('parked'), whole),
  ],
}

const kib = (bytes: number | undefined): number | undefined => (bytes === undefined ? undefined : bytes / 1024)

export function workloadTable(workload: WorkloadResult): string {
  const columns = special[workload.id] ?? usual
  const rows = [
    ['', ...columns.map(([head]) => head)],
    ...workload.clients.map((client) => [client.client, ...columns.map(([, cell]) => cell(client, workload))]),
  ]
  const errors = workload.clients.flatMap(({ client, errors }) => errors.map((error) => `  ✗ ${client}: ${error}`))
  return [`${workload.title} (${workload.unit}) [${workload.id}]`, ...aligned(rows), ...errors].join('\n')
}

export function goalTable(goals: readonly Goal[]): string {
  const rows = goals.map(({ what, bound, limit, actual, reached }) => [
    reached === undefined ? '·' : reached ? '✓' : '✗',
    what,
    `${bound} ${short(limit)}`,
    times(actual),
    reached === undefined ? 'not measured' : reached ? 'reached' : 'NOT REACHED',
  ])
  return ['Goals', ...aligned(rows, 2)].join('\n')
}

export function summary(result: BenchResult): string {
  const { machine } = result
  const head =
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, Redis ${machine.redis}; ` +
    `medians of ${result.rounds} round${result.rounds === 1 ? '' : 's'} of ${result.windowMs} ms, ` +
    'ratios as median (least..greatest of the rounds)'
  return [head, ...result.workloads.map(workloadTable)].join('\n\n')
}

/** The first columns to the left, numbers to the right. */
function aligned(rows: readonly (readonly string[])[], left = 1): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows.map((row) =>
    `  ${row.map((cell, i) => (i < left ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ')}`.trimEnd(),
  )
}
