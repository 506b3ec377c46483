import { Socket } from 'node:net'
import { scenarios } from '../scenarios/index.js'
import { selfTests } from '../scenarios/self-tests.js'
import { type ClientName, Context, makerOf } from './context.js'

/** Runs one scenario in this process: `child.js <library> <client> <port>`. The last line of output is the verdict. */
const [library = '', kind = '', port = ''] = process.argv.slice(2)
const scenario = [...scenarios, ...selfTests].find((one) => one.library === library)
if (scenario === undefined) throw new Error(`No scenario for ${library}`)

Error.stackTraceLimit = 40
const unhandled: string[] = []
process.on('unhandledRejection', (error) => unhandled.push(`unhandled rejection: ${(error as Error)?.stack ?? error}`))
process.on('uncaughtException', (error) => unhandled.push(`uncaught exception: ${error.stack}`))

let failure: string | undefined
let reported = false
const run = await scenario.load()
const context = new Context(kind as ClientName, Number(port), await makerOf(kind as ClientName))
await context.server.ping()

/** A client that is not recognised makes a library open one of its own, silently, and often to the default port. */
const strays: string[] = []
const prototype = Socket.prototype as unknown as { connect: (...args: unknown[]) => Socket }
const { connect } = prototype
prototype.connect = function (this: Socket, ...args) {
  const { stack = '' } = new Error('A connection was opened that is not of the client handed in')
  const first = (Array.isArray(args[0]) ? args[0][0] : args[0]) as { port?: unknown } | number
  const target = Number(typeof first === 'object' ? first?.port : first)
  const own = kind === 'ioredis' ? target !== 6379 : !/[/\\](?:ioredis|iovalkey|redis)[/\\]/.test(stack)
  if (!own) strays.push(stack)
  return connect.apply(this, args)
}
try {
  await run(context)
  await context.close()
} catch (error) {
  failure = (error as Error).stack ?? String(error)
}
if (failure !== undefined) report(failure)
// Nothing may hold the process from here on; its parent waits for it to end by itself.
setTimeout(() => report(`The process is held by ${process.getActiveResourcesInfo().join(', ')}`), 4_000).unref()
process.on('exit', () => report(undefined))

function report(problem: string | undefined): void {
  // Ending the process calls again.
  if (reported) return
  reported = true
  const problems = [problem, ...unhandled, ...strays].filter((text) => text !== undefined)
  process.stdout.write(`\n${JSON.stringify({ ok: problems.length === 0, problems })}\n`)
  process.exit(problems.length === 0 ? 0 : 1)
}
