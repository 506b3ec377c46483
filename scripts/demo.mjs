import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { comparison } from './lib/comparison.mjs'
import { main, root, SetUpError, step, stopOnSignals } from './lib/progress.mjs'
import { ensureRedisServer } from './lib/redis.mjs'
import { Service, seedAccounts, serviceEnvironment, spawnGuarded } from './lib/service.mjs'
import { setUp } from './lib/set-up.mjs'

const scenarios = { baseline: 500, stress: 1000, ultimate: 2000, 'peak-4000': 4000, 'peak-8000': 8000 }
const usual = ['baseline', 'stress', 'ultimate']

const usage = `npm run demo -- [scenario] [options]

Starts a private Redis server and the authentication service with its workers, has virtual users log in and check
their sessions through cenote, and shows what came of it beside the figures of the earlier system.

  scenario, --scenario <name>
                      only this one: ${Object.keys(scenarios).join(', ')}
                      (default: ${usual.join(', ')} one after the other, about two minutes)
  --duration <time>   length of each steady phase (default 20s)
  --workers <n>       worker processes of the service (default ${defaultWorkers()} on this machine)
  --out <folder>      where the result files go (default results)
  --keep              leave the service running at the end, until Ctrl-C
  --help              this text

REDIS_URL   use this server instead of a private one

Exit status: 0 all thresholds met, 1 some missed or something failed, 130 stopped by Ctrl-C.`

/**
 * One core is left to Redis and the load tester, which run on the same machine. On two cores and at 8,000 requests/s,
 * p95 was 2 ms with one worker, 17 ms and more with two, 27 ms with four; flat out, one and two carried 18,000 to
 * 19,000 requests/s, four 16,000.
 */
function defaultWorkers() {
  return Math.max(1, Math.min(4, availableParallelism() - 1))
}

function options() {
  let values
  let positionals
  try {
    ;({ values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        scenario: { type: 'string' },
        duration: { type: 'string', default: '20s' },
        workers: { type: 'string', default: String(defaultWorkers()) },
        out: { type: 'string', default: join(root, 'results') },
        keep: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }))
  } catch (error) {
    throw new SetUpError(`${error.message}\n\n${usage}`)
  }
  const named = [...positionals, ...(values.scenario === undefined ? [] : [values.scenario])]
  for (const name of named) {
    if (!Object.hasOwn(scenarios, name)) {
      throw new SetUpError(`There is no scenario ${name}; there are ${Object.keys(scenarios).join(', ')}`)
    }
  }
  const workers = Number(values.workers)
  if (!Number.isInteger(workers) || workers < 1 || workers > 128) {
    throw new SetUpError(`--workers must be a whole number from 1 to 128, not ${values.workers}`)
  }
  return { ...values, workers, scenarios: named.length === 0 ? usual : named }
}

/** What has been started so far, in reverse order of its end. */
const cleanUps = []

async function cleanUp() {
  for (const one of cleanUps.splice(0).reverse()) await one().catch(() => {})
}

async function startRedisServer(startRedis) {
  if (process.env.REDIS_URL) {
    process.stdout.write(`• Redis: the server given by REDIS_URL\n`)
    return process.env.REDIS_URL
  }
  process.env.REDIS_SERVER_BIN = await ensureRedisServer()
  const redis = await startRedis()
  cleanUps.push(() => redis.stop())
  return redis.url
}

/** Runs one scenario; its progress and table go to the terminal, its result comes back. */
async function runScenario(name, { url, duration, password, out }, guardGroup) {
  process.stdout.write(`\n── ${name}: ${scenarios[name].toLocaleString('en-US')} users ──\n\n`)
  const args = [
    join(root, 'packages/load-test/bin/cenote-load.mjs'),
    name,
    ...['--target', url, '--duration', duration, '--out', out, '--json'],
  ]
  const env = { ...process.env, CENOTE_LOAD_PASSWORD: password }
  const { child, ended } = spawnGuarded(args, { env, stdio: ['ignore', 'pipe', 'inherit'] }, guardGroup)
  const stop = async () => {
    child.kill('SIGINT')
    await ended
  }
  cleanUps.push(stop)
  let output = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  await new Promise((resolve) => child.once('close', resolve))
  const status = await ended
  cleanUps.splice(cleanUps.indexOf(stop), 1)
  if (status > 1) throw new SetUpError(`The load tester ended with exit status ${status}`)
  return JSON.parse(output)
}

await main(async () => {
  const chosen = options()
  if (chosen.help) {
    process.stdout.write(`${usage}\n`)
    return 0
  }
  stopOnSignals(() => {
    process.stdout.write('\nStopping.\n')
    return cleanUp()
  })
  try {
    return await demo(chosen)
  } finally {
    await cleanUp()
  }
})

async function demo(chosen) {
  const started = performance.now()
  await setUp()
  // Only now does the build exist that these come from.
  const { guardFolder, guardGroup, startRedis } = await import('../packages/test-support/dist/index.js')
  const { SEED_PASSWORD } = await import('../packages/auth-server/dist/seed-accounts.js')
  const redisUrl = await startRedisServer(startRedis)

  const dataDir = mkdtempSync(join(tmpdir(), 'cenote-demo-'))
  const unguard = guardFolder(dataDir)
  cleanUps.push(async () => {
    rmSync(dataDir, { recursive: true, force: true })
    unguard()
  })
  const env = serviceEnvironment({ redisUrl, dataDir, workers: chosen.workers })
  const users = Math.max(...chosen.scenarios.map((name) => scenarios[name]))
  await step(`${users.toLocaleString('en-US')} accounts`, () => seedAccounts(users, env))

  const service = new Service()
  cleanUps.push(() => service.stop(3_000))
  await step(`Authentication service with ${chosen.workers} worker${chosen.workers > 1 ? 's' : ''}`, async () => {
    await service.start(env, guardGroup)
    return service.url
  })
  service.ended.then((status) => {
    if (cleanUps.length > 0) console.error(`\nThe service ended with status ${status}:\n${service.lastWords()}\n`)
  })

  const results = []
  for (const name of chosen.scenarios) {
    const what = { url: service.url, duration: chosen.duration, password: SEED_PASSWORD, out: resolve(chosen.out) }
    results.push(await runScenario(name, what, guardGroup))
  }
  const passed = results.every((result) => result.passed)
  process.stdout.write(`\n${comparison(results)}\n\n`)
  process.stdout.write(
    `${passed ? 'All thresholds met.' : 'Some thresholds were MISSED; the tables above say which.'} ` +
      `${chosen.workers} worker${chosen.workers > 1 ? 's' : ''} on ${availableParallelism()} cores, ` +
      `which Redis and the load tester share. ${Math.round((performance.now() - started) / 1000)} s in all.\n`,
  )
  if (chosen.keep) {
    process.stdout.write(`\nThe service goes on at ${service.url} (see ${service.url}/health/redis); Ctrl-C ends it.\n`)
    await service.ended
  }
  return passed ? 0 : 1
}
