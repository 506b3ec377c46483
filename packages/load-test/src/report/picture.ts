import type { Second } from '../run/progress.js'
import { countedCauses, ms, percent, whole } from './format.js'
import type { Result } from './result.js'

const WIDTH = 960
const LEFT = 76
const RIGHT = 24
const PLOT = WIDTH - LEFT - RIGHT
const PANEL = 170
const TOPS = [116, 346] as const
const HEIGHT = 576

const INK = '#1f2933'
const FAINT = '#616e7c'
const GRID = '#e4e7eb'
const OK = '#1d8a8a'
const FAILED = '#c62828'
const P50 = '#8d6cc9'
const P95 = '#4527a0'

/** Requests and latency over time as one self-contained SVG; seconds with failures are marked through both panels. */
export function renderPicture(result: Result): string {
  const { timeline } = result
  const end = Math.max(1, ...timeline.map((second) => second.second + 1))
  const x = (second: number) => LEFT + (second / end) * PLOT
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="system-ui, sans-serif" font-size="13" fill="${INK}">`,
    `<title>${escapeText(`${result.scenario}: requests per second and latency`)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    header(result),
    phaseBands(result, x, end),
    failureMarks(result, x),
    requestsPanel(timeline, x, end),
    latencyPanel(timeline, x, end),
    '</svg>',
    '',
  ].join('\n')
}

type Scale = (value: number) => number

function header(result: Result): string {
  const { steady, total, generator } = result
  const verdict = result.interrupted ? 'interrupted' : result.passed ? 'passed' : 'failed'
  const colour = verdict === 'passed' ? OK : FAILED
  const first =
    `${whole(result.usersLoggedIn)} users · ${whole(steady.perSecond)} requests/s · ` +
    `p50 ${ms(steady.latency.p50)} · p95 ${ms(steady.latency.p95)} · p99 ${ms(steady.latency.p99)} · ` +
    `load tester's share of p95 at most ${percent(generator.shareOfP95)}`
  const failures = total.failed === 0 ? 'no failures' : `${whole(total.failed)} failed: ${countedCauses(total.causes)}`
  const second = `${whole(total.requests)} requests, ${percent(total.successRate)} succeeded, ${failures}`
  return [
    text(LEFT, 34, result.scenario, 'font-size="22" font-weight="600"'),
    text(WIDTH - RIGHT, 34, verdict, `font-size="16" font-weight="600" text-anchor="end" fill="${colour}"`),
    text(LEFT, 58, first),
    text(LEFT, 78, clip(second, 130), `fill="${FAINT}"`),
  ].join('\n')
}

/** Login, ramp and logout are shaded: the figures in the header are about the part between. */
function phaseBands(result: Result, x: Scale, end: number): string {
  const { login, ramp, steady } = result.phases
  const from = (login + ramp) / 1000
  const to = Math.min(end, from + steady / 1000)
  const band = (a: number, b: number, name: string) =>
    b - a < end / 200
      ? ''
      : TOPS.map((top) => rect(x(a), top, x(b) - x(a), PANEL, '#f1f3f5')).join('') +
        (x(b) - x(a) > 40 ? text((x(a) + x(b)) / 2, TOPS[0] + 14, name, `text-anchor="middle" fill="${FAINT}"`) : '')
  return [band(0, login / 1000, 'login'), band(login / 1000, from, 'ramp'), band(to, end, 'end')].join('\n')
}

/** From the first start of a failed request to the last failure: with replies held back, the outage began long before. */
function failureMarks({ bursts }: Result, x: Scale): string {
  return bursts
    .map(({ firstStartMs, toMs }) => {
      const from = x(firstStartMs / 1000)
      const width = Math.max(2, x(toMs / 1000) - from)
      return TOPS.map((top) => rect(from, top, width, PANEL, '#fde8e8')).join('')
    })
    .join('\n')
}

function requestsPanel(timeline: readonly Second[], x: Scale, end: number): string {
  const [top] = TOPS
  const most = niceCeiling(Math.max(1, ...timeline.map((second) => second.ok + second.failed)))
  const y = (value: number) => top + PANEL - (value / most) * PANEL
  const bars = timeline.map(({ second, ok, failed }) => {
    const width = Math.max(1, x(second + 1) - x(second) - 1)
    const good = ok === 0 ? '' : rect(x(second), y(ok), width, y(0) - y(ok), OK)
    // At least two pixels: one failure in ten thousand must be seen.
    const height = failed === 0 ? 0 : Math.max(2, y(0) - y(failed))
    return good + (failed === 0 ? '' : rect(x(second), y(ok) - height, width, height, FAILED))
  })
  const legend = [
    ['succeeded', OK],
    ['failed', FAILED],
  ] as const
  return [axes(top, 'requests/s', most, whole, x, end), ...bars, legendOf(top, legend)].join('\n')
}

function latencyPanel(timeline: readonly Second[], x: Scale, end: number): string {
  const top = TOPS[1]
  const measured = timeline.filter((second) => second.maxMs > 0)
  const most = niceCeiling(Math.max(1, ...measured.map((second) => second.p95Ms)))
  const y = (value: number) => top + PANEL - (value / most) * PANEL
  const line = (value: (second: Second) => number, colour: string) => {
    const path = measured.map((second, i) => {
      // A second without a reply has no latency: the line ends before it.
      const gap = i === 0 || measured[i - 1]!.second + 1 < second.second
      const point = `${fixed(x(second.second + 0.5))} ${fixed(y(value(second)))}`
      return gap ? `M${point}h0` : `L${point}`
    })
    return `<path fill="none" stroke="${colour}" stroke-width="2" stroke-linejoin="round" stroke-linecap="round" d="${path.join('')}"/>`
  }
  const legend = [
    ['p95', P95],
    ['p50', P50],
  ] as const
  return [
    axes(top, 'latency', most, (value) => `${Number(value.toPrecision(3)).toLocaleString('en-US')} ms`, x, end),
    line((second) => second.p50Ms, P50),
    line((second) => second.p95Ms, P95),
    legendOf(top, legend),
    text(LEFT + PLOT / 2, HEIGHT - 14, 'seconds since the start of the run', `text-anchor="middle" fill="${FAINT}"`),
  ].join('\n')
}

function axes(
  top: number,
  title: string,
  most: number,
  show: (value: number) => string,
  x: Scale,
  end: number,
): string {
  const parts = [text(LEFT, top - 8, title, 'font-weight="600"')]
  for (let i = 0; i <= 4; i++) {
    const at = top + PANEL - (i / 4) * PANEL
    parts.push(`<line x1="${LEFT}" x2="${LEFT + PLOT}" y1="${fixed(at)}" y2="${fixed(at)}" stroke="${GRID}"/>`)
    parts.push(text(LEFT - 8, at + 4, show((most * i) / 4), `text-anchor="end" fill="${FAINT}" font-size="12"`))
  }
  const step = Math.max(1, niceCeiling(end / 8))
  for (let second = 0; second <= end; second += step) {
    parts.push(text(x(second), top + PANEL + 18, String(second), `text-anchor="middle" fill="${FAINT}" font-size="12"`))
  }
  return parts.join('\n')
}

function legendOf(top: number, entries: readonly (readonly [string, string])[]): string {
  return entries
    .map(([name, colour], i) => {
      const at = WIDTH - RIGHT - 104 * (entries.length - i)
      return rect(at, top - 18, 12, 12, colour) + text(at + 18, top - 8, name)
    })
    .join('\n')
}

/** The next 1, 2 or 5 times a power of ten. */
function niceCeiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  return ([1, 2, 5, 10].find((factor) => factor * power >= value) ?? 10) * power
}

function rect(x: number, y: number, width: number, height: number, fill: string): string {
  return `<rect x="${fixed(x)}" y="${fixed(y)}" width="${fixed(width)}" height="${fixed(height)}" fill="${fill}"/>`
}

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${fixed(x)}" y="${fixed(y)}" ${attributes}>${escapeText(content)}</text>`
}

function fixed(value: number): string {
  return value.toFixed(1)
}

function clip(content: string, length: number): string {
  return content.length > length ? `${content.slice(0, length - 1)}…` : content
}

function escapeText(content: string): string {
  return content.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`)
}
