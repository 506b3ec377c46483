import { parseArgs } from 'node:util'
import { FULL_ROUNDS } from './plan.js'

export const USAGE = `npm run bench -- [options]

Measures cenote beside other Redis clients: each measurement in a fresh process against a private Redis server, clients
taking turns, every reply verified. Prints tables and goals, writes JSON and a picture.

  --quick              a selection that ends within two minutes
  --workload <id>      only these; may be given several times; the beginning of an id means all that share it
  --client <name>      only these; name or name@connections; may be given several times
  --rounds <n>         rounds per workload (default ${FULL_ROUNDS}; quick mode fewer)
  --window <ms>        length of the counted part of each measurement (default 1200, quick 500)
  --out <folder>       where the result files go (default results)
  --picture <file>     draw the picture here as well (the one README shows is docs/images/bench.svg)
  --from <file>        measure nothing; show the tables and draw the picture of an earlier result
  --list               the workloads and their clients
  --help               this text

Exit status: 0, or 1 when a measurement of cenote failed.`

export interface BenchOptions {
  readonly quick: boolean
  readonly workloads: readonly string[]
  readonly clients: readonly string[]
  readonly rounds: number | undefined
  readonly windowMs: number
  readonly warmUpMs: number
  readonly out: string
  readonly picture: string | undefined
  readonly from: string | undefined
  readonly list: boolean
  readonly help: boolean
}

/** @throws Error for unknown or unusable options */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      workload: { type: 'string', multiple: true, default: [] },
      client: { type: 'string', multiple: true, default: [] },
      rounds: { type: 'string' },
      window: { type: 'string' },
      out: { type: 'string', default: 'results' },
      picture: { type: 'string' },
      from: { type: 'string' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const windowMs = values.window === undefined ? (values.quick ? 500 : 1200) : whole('--window', values.window, 50)
  return {
    quick: values.quick,
    workloads: split(values.workload),
    clients: split(values.client),
    rounds: values.rounds === undefined ? undefined : whole('--rounds', values.rounds, 1),
    windowMs,
    warmUpMs: Math.min(600, windowMs * 0.7),
    out: values.out,
    picture: values.picture,
    from: values.from,
    list: values.list,
    help: values.help,
  }
}

const split = (values: readonly string[]): string[] => values.flatMap((value) => value.split(',')).filter(Boolean)

function whole(name: string, text: string, least: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < least) {
    throw new Error(`${name} must be a whole number of at least ${least}, not ${JSON.stringify(text)}`)
  }
  return value
}
