import { inspect } from 'node:util'
import { type CliOptions, parseArguments } from './cli/command.js'
import { createDisplay } from './cli/display.js'
import { renderTable } from './report/table.js'
import { writeResult } from './report/write.js'
import { OptionsError } from './run/options.js'
import { TargetError } from './run/preflight.js'
import { runScenario } from './run/run-scenario.js'

const INTERRUPTED = 130
const SAME_SIGNAL_MS = 500

process.exitCode = await main(parseArguments(process.argv, process.env))

async function main({ load, out, json, quiet }: CliOptions): Promise<number> {
  const messages = json ? process.stderr : process.stdout
  const stop = new AbortController()
  let firstAt = 0
  const onSignal = () => {
    // One Ctrl-C can come twice: from the terminal and from npm. A second one later means it: leave without a report.
    if (stop.signal.aborted && performance.now() - firstAt > SAME_SIGNAL_MS) process.exit(INTERRUPTED)
    if (!stop.signal.aborted) firstAt = performance.now()
    stop.abort()
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  const display = quiet ? undefined : createDisplay(load.name ?? load.scenario ?? 'run', messages)
  try {
    const result = await runScenario({
      ...load,
      signal: stop.signal,
      onProgress: (progress) => display?.show(progress),
    })
    display?.end()
    const files = await writeResult(result, out)
    if (json) process.stdout.write(`${JSON.stringify(result)}\n`)
    messages.write(`${renderTable(result)}\n\n${files.json}\n${files.picture}\n`)
    return result.interrupted ? INTERRUPTED : result.passed ? 0 : 1
  } catch (error) {
    const expected = error instanceof OptionsError || error instanceof TargetError
    process.stderr.write(`cenote-load: ${expected ? error.message : inspect(error)}\n`)
    return 2
  } finally {
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
  }
}
