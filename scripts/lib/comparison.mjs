/** The earlier system, as measured before it was replaced (docs: the design's table of what must be reached). */
const earlier = {
  baseline: { success: '92.68 %', p95: '1,730 ms', p99: '', rate: '132' },
  stress: { success: '100.00 %', p95: '1,561 ms', p99: '1,967 ms', rate: '649' },
  ultimate: { success: '99.99 %', p95: '9,108 ms', p99: '', rate: '326' },
}
const nothing = { success: '-', p95: '-', p99: '', rate: '-' }

const whole = (value) => Math.round(value).toLocaleString('en-US')
const ms = (value) => `${value < 10 ? value.toFixed(1) : whole(value)} ms`

/** Rounded down: 99.996 % is not 100 %. */
function percent(share) {
  return `${(Math.floor(share * 10_000) / 100).toFixed(2)} %`
}

function sessionChecks(result) {
  return result.operations.find((own) => own.phase === 'steady' && own.operation === 'me')?.perSecond ?? 0
}

function columns(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  return rows.map((row) => row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '))
}

/** One table: what the earlier system did with so many users, and what was just measured. */
export function comparison(results) {
  const rows = [
    ['users', '', 'succeeded', 'p95', 'p99', 'requests/s', 'checks/s', 'requests', 'leases taken', 'exhausted'],
  ]
  for (const result of results) {
    const before = earlier[result.scenario] ?? nothing
    rows.push([
      whole(result.settings.users),
      'earlier',
      before.success,
      before.p95,
      before.p99 || '-',
      before.rate,
      '-',
      '-',
      '-',
      '-',
    ])
    rows.push([
      '',
      'cenote',
      percent(result.total.successRate),
      ms(result.steady.latency.p95),
      ms(result.steady.latency.p99),
      whole(result.steady.perSecond),
      whole(sessionChecks(result)),
      whole(result.total.requests),
      percent(result.pool.maxUtilization),
      whole(result.pool.exhausted),
    ])
  }
  const [head, ...body] = columns(rows)
  return [head, '-'.repeat(head.length), ...body].join('\n')
}
