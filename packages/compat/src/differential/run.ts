import fc from 'fast-check'
import { Redis, type RedisOptions } from 'ioredis'
import type { ClientName } from '../harness/context.js'
import { makerOf } from '../harness/context.js'
import { contents, plain, sameReply, show } from './compare.js'
import { readDocs } from './docs.js'
import { type Invocation, type Step, sequences } from './steps.js'

export interface DifferentialOptions {
  readonly port: number
  readonly protocol: 2 | 3
  /** Commands to run, at least. */
  readonly commands: number
  readonly seed: number
  readonly client?: ClientName
  /** Options for both clients, e.g. a key prefix. */
  readonly clientOptions?: RedisOptions
  /** Stop after so many differences. Default 20. */
  readonly limit?: number
}

export interface DifferentialResult {
  readonly commands: number
  readonly names: ReadonlyMap<string, number>
  readonly differences: readonly string[]
}

/**
 * Feeds the same generated calls to ioredis and to the pool, on two databases of one server, so that even the order of
 * its hash tables is the same; compares every reply, and after each sequence what the databases hold.
 */
export async function runDifferential(options: DifferentialOptions): Promise<DifferentialResult> {
  const { port, protocol, commands, seed, limit = 20 } = options
  const docs = await readDocs(port)
  // Where a key is missing, ioredis makes one of the prefix and `undefined`; for a wild number of keys it never ends.
  const spoil = (options.clientOptions?.keyPrefix ?? '') === ''
  const base = { host: '127.0.0.1', port, protocol, ...options.clientOptions }
  const reference = (await makerOf('ioredis'))({ ...base, db: 0 })
  const subject = (await makerOf(options.client ?? 'cenote'))({ ...base, db: 1 })
  const witnesses = [0, 1].map((db) => new Redis({ host: '127.0.0.1', port, db })) as [Redis, Redis]
  const names = new Map<string, number>()
  const differences: string[] = []
  let done = 0
  try {
    for (let round = 0; done < commands && differences.length < limit; round++) {
      const [steps = []] = fc.sample(sequences(docs, spoil), { seed: seed + round, numRuns: 1 })
      await Promise.all(witnesses.map((redis) => redis.flushdb()))
      const before = differences.length
      for (const step of steps) {
        for (const { name } of invocationsOf(step)) {
          done++
          names.set(name, (names.get(name) ?? 0) + 1)
        }
        const difference = await compareStep(step, reference, subject)
        if (difference !== undefined) differences.push(`seed ${seed + round}: ${difference}`)
      }
      const [expected = {}, found = {}] = await Promise.all(witnesses.map(contents))
      // After a difference in the replies, one in the data is no news.
      if (differences.length === before && show(expected) !== show(found)) {
        const keys = [...new Set([...Object.keys(expected), ...Object.keys(found)])]
        const differing = keys.filter((key) => show(expected[key]) !== show(found[key]))
        const held = differing.map((key) => `${show(key)}: ioredis ${show(expected[key])}, cenote ${show(found[key])}`)
        differences.push(`seed ${seed + round}: the databases differ afterwards\n  ${held.join('\n  ')}`)
      }
    }
  } finally {
    await Promise.all([reference, subject, ...witnesses].map((redis) => redis.quit()))
  }
  return { commands: done, names, differences }
}

function invocationsOf(step: Step): readonly Invocation[] {
  return step.kind === 'single' ? [step.invocation] : step.invocations
}

async function compareStep(step: Step, reference: Redis, subject: Redis): Promise<string | undefined> {
  const [expected, found] = (await Promise.all([perform(step, reference), perform(step, subject)])) as [
    unknown[],
    unknown[],
  ]
  const invocations = invocationsOf(step)
  if (!Array.isArray(expected) || !Array.isArray(found)) {
    return sameReply('', expected, found) ? undefined : describe(step, expected, found)
  }
  const same =
    expected.length === found.length && expected.every((one, i) => sameReply(invocations[i]?.name ?? '', one, found[i]))
  if (same) return undefined
  if (expected.length !== found.length || invocations.length !== expected.length) return describe(step, expected, found)
  const at = expected.findIndex((one, i) => !sameReply(invocations[i]?.name ?? '', one, found[i]))
  return describe(step, expected[at], found[at], invocations[at])
}

function describe(step: Step, expected: unknown, found: unknown, invocation?: Invocation): string {
  const what = invocation ?? step
  const where =
    step.kind === 'pipeline' || step.kind === 'multi' ? `${step.kind}${step.asList ? ' as a list' : ''}` : step.kind
  return `${where} ${show(what)}\n  ioredis ${show(expected)}\n  cenote  ${show(found)}`
}

type Callable = Record<string, (...args: unknown[]) => unknown>

/** Arguments are copied for each client: a call may rearrange the array it was given. */
function invoke(on: object, { name, form, args }: Invocation, ...callback: unknown[]): unknown {
  const target = on as Callable
  const all = [...args.map((arg) => (Array.isArray(arg) ? [...arg] : arg)), ...callback]
  if (form === 'method') return target[name]?.(...all)
  if (form === 'buffer') return target[`${name}Buffer`]?.(...all)
  if (form === 'callBuffer') return target.callBuffer?.(name, ...all)
  return target.call?.(form === 'CALL' ? name.toUpperCase() : name, ...all)
}

/** The replies of a step, one per command; errors as values. What is thrown at once counts as an error too. */
async function perform(step: Step, redis: Redis): Promise<unknown> {
  if (step.kind === 'single') return [await single(redis, step.invocation, step.callback)]
  if (step.kind === 'together') return Promise.all(step.invocations.map((one) => single(redis, one, false)))
  try {
    const batch = step.kind === 'multi' ? redis.multi() : redis.pipeline()
    const queued: unknown[] = []
    if (step.asList) {
      const list = step.invocations.map(({ name, form, args }) => [form === 'buffer' ? `${name}Buffer` : name, ...args])
      const made = (step.kind === 'multi' ? redis.multi(list as never) : redis.pipeline(list as never)) as ReturnType<
        Redis['pipeline']
      >
      return plain(await made.exec())
    }
    step.invocations.forEach((one, i) => {
      invoke(batch, one, (error: Error | null, result: unknown) => {
        queued[i] = [plain(error), plain(result)]
      })
    })
    const result = plain(await batch.exec())
    return Array.isArray(result) ? result.map((entry, i) => [entry, queued[i]]) : [result, queued]
  } catch (error) {
    return plain(error)
  }
}

async function single(redis: Redis, one: Invocation, callback: boolean): Promise<unknown> {
  try {
    if (!callback) return plain(await invoke(redis, one))
    return await new Promise((resolve) => {
      const promise = invoke(redis, one, (error: Error | null, result: unknown) =>
        resolve(['callback', plain(error), plain(result)]),
      )
      // With a callback the promise comes along and must not be reported as unhandled.
      void promise
    })
  } catch (error) {
    return plain(error)
  }
}
