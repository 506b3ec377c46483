import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { main, root, run, SetUpError, stopOnSignals } from './lib/progress.mjs'
import { ensureRedisServer } from './lib/redis.mjs'
import { setUp } from './lib/set-up.mjs'

const reportPath = join(root, '.tmp/vitest.json')
const bin = (path) => join(root, 'node_modules', path)

/** Where the tests put their folders; gone when they are, however they end. */
const temporary = mkdtempSync(join(tmpdir(), 'cenote-test-'))
const removeTemporary = () => rmSync(temporary, { recursive: true, force: true, maxRetries: 3 })

/** Folders that tests made and did not remove. Those of a server whose owner has just ended take a moment. */
async function foldersLeft() {
  const left = () => readdirSync(temporary).filter((name) => name.startsWith('cenote'))
  for (let tries = 0; tries < 40 && left().length > 0; tries++) await new Promise((resolve) => setTimeout(resolve, 50))
  for (const name of left()) process.stdout.write(`  left behind: ${name}\n`)
  return left().length === 0 ? 0 : 1
}

/** The tests must never reach a server or an environment that happens to be set up in the user's shell. */
function testEnvironment(redisServer) {
  const env = { ...process.env, REDIS_SERVER_BIN: redisServer, TMPDIR: temporary }
  for (const name of Object.keys(env)) {
    if (name === 'DEPLOYMENT_ENV' || name === 'NODE_ENV') delete env[name]
    if (name.startsWith('REDIS_') && name !== 'REDIS_SERVER_BIN') delete env[name]
  }
  return env
}

/** Counts from Vitest's report; a file that could not even be loaded counts as one failure. */
function countTests() {
  let report
  try {
    report = JSON.parse(readFileSync(reportPath, 'utf8'))
  } catch {
    return { passed: 0, failed: 1, skipped: 0 }
  }
  const broken = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  )
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken.length,
    skipped: report.numPendingTests + report.numTodoTests,
  }
}

async function runChecks() {
  await setUp()
  const redisServer = await ensureRedisServer()
  const failed = []
  const check = async (name, work) => {
    process.stdout.write(`• ${name}\n`)
    const start = performance.now()
    const status = await work()
    const took = `(${((performance.now() - start) / 1000).toFixed(1)} s)`
    process.stdout.write(status === 0 ? `  ✓ ${name} ${took}\n` : `  ✗ ${name}: exit status ${status} ${took}\n`)
    if (status !== 0) failed.push(name)
    return status === 0
  }

  await check('Format and lint', () => run(process.execPath, [bin('@biomejs/biome/bin/biome'), 'check', '.']))
  await check('Types of the tests', () =>
    run(process.execPath, [bin('typescript/bin/tsc'), '-p', join(root, 'tsconfig.tests.json')]),
  )
  mkdirSync(join(root, '.tmp'), { recursive: true })
  rmSync(reportPath, { force: true })
  const vitest = [bin('vitest/vitest.mjs'), 'run', '--reporter=default', '--reporter=json']
  const testsPassed = await check('Tests', () =>
    run(process.execPath, [...vitest, `--outputFile.json=${reportPath}`, ...process.argv.slice(2)], {
      env: testEnvironment(redisServer),
    }),
  )
  await check('No temporary folder left', foldersLeft)
  const counts = countTests()
  // An error outside every test (an unhandled rejection, say) fails Vitest without a failed test.
  if (!testsPassed && counts.failed === 0) counts.failed = 1
  return { failed, counts }
}

/** The last line of the output is always the same plain sentence; a failed check besides the tests counts as one. */
function conclude({ failed, counts }) {
  const others = failed.filter((name) => name !== 'Tests')
  if (counts.skipped > 0) process.stdout.write(`${counts.skipped} skipped\n`)
  process.stdout.write(failed.length === 0 ? 'All checks passed.\n' : `Failed: ${failed.join(', ')}\n`)
  process.stdout.write(`${counts.passed} passed, ${counts.failed + others.length} failed\n`)
  return failed.length === 0 ? 0 : 1
}

await main(async () => {
  stopOnSignals(async () => removeTemporary())
  try {
    return conclude(await runChecks())
  } catch (error) {
    process.stderr.write(`\n${error instanceof SetUpError ? error.message : (error?.stack ?? error)}\n\n`)
    return conclude({ failed: ['Set-up'], counts: { passed: 0, failed: 0, skipped: 0 } })
  } finally {
    removeTemporary()
  }
})
