import { columns, countedCauses, ms, percent, seconds, whole } from './format.js'
import type { Figures, Result } from './result.js'

/** The result for a terminal or a log. */
export function renderTable(result: Result): string {
  return [
    headline(result),
    '',
    operationTable(result),
    '',
    ...failureLines(result),
    ...anatomyLines(result),
    poolLine(result),
    '',
    verdictTable(result),
    '',
    closing(result),
  ].join('\n')
}

function headline(result: Result): string {
  const { settings } = result
  const { model } = settings
  const load =
    model.kind === 'closed' ? `think time ${ms(model.thinkTimeMs)}` : `${whole(model.rate)} requests/s offered`
  const parts = [
    `${whole(result.usersLoggedIn)} of ${whole(settings.users)} users`,
    load,
    `steady ${seconds(result.phases.steady)}`,
    `${settings.sockets} sockets`,
    ...(settings.threads > 1 ? [`${settings.threads} threads`] : []),
  ]
  return `${result.scenario}: ${parts.join(', ')}`
}

function operationTable(result: Result): string {
  const row = (name: string, own: Figures) => [
    name,
    whole(own.requests),
    whole(own.failed),
    whole(own.perSecond),
    ms(own.latency.p50),
    ms(own.latency.p95),
    ms(own.latency.p99),
    ms(own.latency.max),
    own.server.count > 0 ? ms(own.server.p95) : '-',
  ]
  const phases = [...new Set(result.operations.map((own) => own.phase))]
  const rows = phases.flatMap((phase) =>
    result.operations
      .filter((own) => own.phase === phase)
      .map((own) => row(phase === own.operation ? phase : `${phase}: ${own.operation}`, own)),
  )
  return columns([
    ['', 'requests', 'failed', 'ok/s', 'p50', 'p95', 'p99', 'max', 'server p95'],
    ...rows,
    row('steady, all', result.steady),
  ])
}

function failureLines({ total, bursts, failureSamples }: Result): string[] {
  if (total.failed === 0 && total.abandoned === 0) return []
  const lines = [`failures: ${countedCauses(total.causes) || 'none'}`]
  for (const burst of bursts.slice(0, 5)) {
    const started = `started between ${moment(burst.firstStartMs)} and ${moment(burst.lastStartMs)}`
    lines.push(`  ${whole(burst.failures)} ${started}, known by ${moment(burst.toMs)}`)
  }
  if (bursts.length > 5) lines.push(`  and ${bursts.length - 5} later bursts`)
  const example = failureSamples[0]
  if (example?.detail) lines.push(`  the first: ${example.operation}, ${example.cause}, ${example.detail}`)
  if (total.abandoned > 0) lines.push(`abandoned when the run was stopped: ${whole(total.abandoned)}`)
  return [...lines, '']
}

function moment(runMs: number): string {
  return `${(runMs / 1000).toFixed(1)} s`
}

function anatomyLines({ generator, settings }: Result): string[] {
  const { p95 } = generator.anatomy
  if (p95.requests === 0) return []
  const lines = [
    `a request at p95 (${ms(p95.latencyMs)}): load tester at most ${ms(p95.clientLateMs + p95.clientLoopMs)}` +
      ` (${percent(generator.shareOfP95)}), server's handlers ${ms(p95.serverMs)},` +
      ` network and the server's queue ${ms(p95.otherMs)}` +
      (p95.socketWaitMs > 0 ? `, waiting for one of the ${settings.sockets} sockets ${ms(p95.socketWaitMs)}` : ''),
  ]
  const { loop, cpu } = generator
  const used =
    cpu === undefined ? '' : `, CPU ${percent(cpu.cpuMs / cpu.wallMs)} of a core, ${cpu.perRequestUs} µs a request`
  lines.push(`load tester: event loop ${percent(loop.utilization)} busy, lag p99 ${ms(loop.lagP99Ms)}${used}`)
  if (generator.saturated)
    lines.push('the load tester was saturated: these latencies are partly its own; use --threads')
  return lines
}

function poolLine({ pool }: Result): string {
  if (pool.readings === 0) return 'pool: the server gave no readings'
  return (
    `pool: at most ${pool.maxConnections} connections, ${percent(pool.maxUtilization)} of the leases taken,` +
    ` ${whole(pool.maxWaiters)} waiting, exhausted ${whole(pool.exhausted)} times (${pool.readings} readings)`
  )
}

function verdictTable({ thresholds }: Result): string {
  return columns([
    ['threshold', 'limit', 'measured', ''],
    ...thresholds.map(({ name, bound, limit, actual, ok }) => {
      const show = name === 'success rate' || name === 'pool utilisation' ? percent : plain
      return [name, `${bound} ${show(limit)}`, show(actual), ok ? 'ok' : 'MISSED']
    }),
  ])
}

function plain(value: number): string {
  return Number.isInteger(value) ? whole(value) : value.toFixed(1)
}

function closing({ interrupted, passed, total }: Result): string {
  const counts = `${whole(total.ok)} of ${whole(total.requests)} requests succeeded (${percent(total.successRate)})`
  return `${interrupted ? 'INTERRUPTED' : passed ? 'PASSED' : 'FAILED'}: ${counts}`
}
