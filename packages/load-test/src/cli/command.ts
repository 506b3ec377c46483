import { Command, Option } from 'commander'
import type { LoadOptions } from '../run/options.js'
import { SCENARIOS, type Thresholds } from '../run/scenarios.js'
import { duration, number, share, weights } from './arguments.js'

export interface CliOptions {
  readonly load: LoadOptions
  readonly out: string
  readonly json: boolean
  readonly quiet: boolean
}

type Flags = Record<string, unknown>

const DESCRIPTION = `Virtual users against the authentication service: log in, check sessions, refresh, list, log out.

Scenarios: ${Object.entries(SCENARIOS)
  .map(([name, scenario]) => `${name} (${scenario.users.toLocaleString('en-US')} users)`)
  .join(', ')}.

Exit status: 0 all thresholds met, 1 some missed, 2 wrong usage or no service there, 130 stopped by Ctrl-C.`

/** Reads the command line; commander prints help and usage errors itself and exits. */
export function parseArguments(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): CliOptions {
  const command = new Command('cenote-load')
    .description(DESCRIPTION)
    .argument('[scenario]', 'named scenario the defaults come from', 'baseline')
    .option('-t, --target <url>', 'address of the service', env.CENOTE_LOAD_TARGET ?? 'http://127.0.0.1:3000')
    .option('-u, --users <n>', 'virtual users', number)
    .option('-d, --duration <time>', 'length of the steady phase: 30s, 2m', duration)
    .option('--ramp <time>', 'time to grow to full load, before the steady phase', duration)
    .addOption(
      new Option('--think-time <time>', 'closed model: mean pause of a user').argParser(duration).conflicts('rate'),
    )
    .option('--rate <n>', 'open model: requests per second, latency from the intended start', number)
    .option('--weights <a/b/c>', 'session checks/refreshes/listings (default 94/3/3)', weights)
    .option('--sockets <n>', 'sockets at most (default: users, at most 256)', number)
    .option('--threads <n>', 'threads that generate load (default 1)', number)
    .option('--timeout <time>', 'a request has failed after this long (default 10s)', duration)
    .option('--login-rate <n>', 'logins started per second at most (default 100)', number)
    .option('--login-concurrency <n>', 'logins under way at once at most (default 16)', number)
    .option('--email <pattern>', 'accounts, {n} being the number of the user (default load{n}@example.test)')
    .option('--name <name>', 'name in the report and its file (default: the scenario)')
    .option('--min-success <share>', 'threshold: success rate, 99.9% or 0.999', share)
    .option('--max-p95 <time>', 'threshold: p95 of the steady phase', duration)
    .option('--max-pool-exhaustion <n>', 'threshold: times the pool was exhausted', number)
    .option('--max-utilization <share>', 'threshold: share of leases taken', share)
    .option('--min-requests <n>', 'threshold: requests of the whole run', number)
    .option('--min-checks <n>', 'threshold: session checks per second', number)
    .option('-o, --out <folder>', 'where the result files go', 'results')
    .option('--json', 'print the result as JSON to stdout, everything else to stderr', false)
    .option('-q, --quiet', 'no progress', false)
    .addHelpText('after', '\nThe password of the accounts is read from CENOTE_LOAD_PASSWORD.')
    .exitOverride((error) => {
      // commander uses 1 for wrong usage, which here means a missed threshold.
      process.exit(error.exitCode === 0 ? 0 : 2)
    })
    .parse(argv as string[])
  const flags: Flags = command.opts()
  const scenario = command.processedArgs[0] as LoadOptions['scenario']
  return {
    load: { scenario, password: env.CENOTE_LOAD_PASSWORD ?? '', ...loadOptions(flags) },
    out: flags.out as string,
    json: flags.json === true,
    quiet: flags.quiet === true,
  }
}

function loadOptions(flags: Flags): Omit<LoadOptions, 'password'> {
  const thresholds = given<Thresholds>({
    successRate: flags.minSuccess,
    p95Ms: flags.maxP95,
    poolExhaustion: flags.maxPoolExhaustion,
    utilization: flags.maxUtilization,
    minRequests: flags.minRequests,
    minSessionChecksPerSecond: flags.minChecks,
  })
  return given<Omit<LoadOptions, 'password'>>({
    target: flags.target,
    name: flags.name,
    users: flags.users,
    durationMs: flags.duration,
    rampMs: flags.ramp,
    thinkTimeMs: flags.thinkTime,
    rate: flags.rate,
    weights: flags.weights,
    sockets: flags.sockets,
    threads: flags.threads,
    timeoutMs: flags.timeout,
    loginRate: flags.loginRate,
    loginConcurrency: flags.loginConcurrency,
    emailPattern: flags.email,
    thresholds,
  })
}

function given<T extends object>(values: Record<keyof T & string, unknown> | Record<string, unknown>): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T
}
