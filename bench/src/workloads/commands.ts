import { createHash } from 'node:crypto'
import { openClient } from '../clients/index.js'
import type { BenchClient, Hash } from '../clients/types.js'
import { sameList } from '../clients/verify.js'
import type { Job } from '../job.js'
import { type Loop, WrongReplyError } from '../measure/loop.js'
import { ServerView } from '../measure/server.js'
import { measureWindow } from '../measure/window.js'
import type { Workload } from './types.js'
import { asciiValue } from './values.js'

interface CommandWorkload extends Omit<Workload, 'measure'> {
  readonly callers: number
  readonly commandsPerOperation: number
  /** Fills the server, over a connection of the harness. */
  readonly prepare?: (write: Write) => Promise<unknown>
  run(client: BenchClient, caller: number, loop: Loop): Promise<void>
}

type Write = (...command: string[]) => Promise<unknown>

function workload({ callers, commandsPerOperation, prepare, run, ...rest }: CommandWorkload): Workload {
  return {
    ...rest,
    measure: async (job: Job) => {
      const target = { ...job.target, tls: undefined }
      const server = await ServerView.open(target)
      await prepare?.((...command) => server.write(...command))
      const client = await openClient(job.client, target, { text: 'latin1', dedicated: 0 })
      try {
        const options = { ...job, callers, commandsPerOperation }
        return await measureWindow(options, server, (caller, loop) => run(client, caller, loop))
      } finally {
        server.close()
        await client.close()
      }
    },
  }
}

const CALLERS = 64
const range = (length: number): number[] => Array.from({ length }, (_, i) => i)

/** Different per caller, so that a reply meant for another caller does not pass. */
function hash(caller: number): Hash {
  return {
    fields: range(20).map((i) => `field:${i}`),
    values: range(20).map((i) => asciiValue(caller * 20 + i, 20)),
  }
}

export const hgetall = workload({
  id: 'hgetall-20',
  title: 'HGETALL of 20 fields',
  unit: 'commands',
  callers: CALLERS,
  commandsPerOperation: 1,
  prepare: async (write) => {
    for (const caller of range(CALLERS)) {
      const { fields, values } = hash(caller)
      await write('HSET', `hash:${caller}`, ...fields.flatMap((field, i) => [field, values[i]!]))
    }
  },
  run: async (client, caller, loop) => {
    const key = `hash:${caller}`
    const expected = hash(caller)
    while (loop.running) {
      const begun = loop.begin()
      if (!(await client.hgetall(key, expected))) throw new WrongReplyError(`HGETALL ${key}`, 'another hash')
      loop.end(begun)
    }
  },
})

export const mget = workload({
  id: 'mget-50',
  title: 'MGET of 50 keys',
  unit: 'commands',
  callers: CALLERS,
  commandsPerOperation: 1,
  prepare: fillKeys(50),
  run: async (client, caller, loop) => {
    const { keys, values } = keysOf(caller, 50)
    while (loop.running) {
      const begun = loop.begin()
      const reply = await client.mget(keys)
      if (!sameList(reply, values)) throw new WrongReplyError('MGET', reply)
      loop.end(begun)
    }
  },
})

export const lrange = workload({
  id: 'lrange-100',
  title: 'LRANGE of 100 elements',
  unit: 'commands',
  callers: CALLERS,
  commandsPerOperation: 1,
  prepare: async (write) => {
    for (const caller of range(CALLERS)) await write('RPUSH', `list:${caller}`, ...elements(caller))
  },
  run: async (client, caller, loop) => {
    const key = `list:${caller}`
    const expected = elements(caller)
    while (loop.running) {
      const begun = loop.begin()
      const reply = await client.lrange(key)
      if (!sameList(reply, expected)) throw new WrongReplyError(`LRANGE ${key}`, reply)
      loop.end(begun)
    }
  },
})

function elements(caller: number): string[] {
  return range(100).map((i) => asciiValue(caller * 100 + i, 20))
}

export const pipeline = workload({
  id: 'pipeline-100',
  title: 'Pipeline of 100 GETs',
  unit: 'pipelines',
  callers: 16,
  commandsPerOperation: 100,
  prepare: fillKeys(100),
  run: async (client, caller, loop) => {
    const { keys, values } = keysOf(caller, 100)
    while (loop.running) {
      const begun = loop.begin()
      if (!(await client.pipelineGets(keys, values))) throw new WrongReplyError('A pipeline', 'other values')
      loop.end(begun)
    }
  },
})

function keysOf(caller: number, count: number): { keys: string[]; values: string[] } {
  return {
    keys: range(count).map((i) => `key:${caller}:${i}`),
    values: range(count).map((i) => asciiValue(caller * count + i, 20)),
  }
}

function fillKeys(count: number) {
  return async (write: Write) => {
    for (const caller of range(CALLERS)) {
      const { keys, values } = keysOf(caller, count)
      await write('MSET', ...keys.flatMap((key, i) => [key, values[i]!]))
    }
  }
}

export const multi = workload({
  id: 'multi-5',
  title: 'MULTI of 5 commands',
  unit: 'transactions',
  callers: CALLERS,
  commandsPerOperation: 7,
  run: async (client, caller, loop) => {
    const keys = { value: `multi:${caller}`, counter: `counter:${caller}` }
    const values = range(4).map((i) => asciiValue(caller * 4 + i, 100))
    for (let n = 1; loop.running; n++) {
      const begun = loop.begin()
      if (!(await client.transaction(keys, values[n % 4]!, n))) throw new WrongReplyError('EXEC', 'other results')
      loop.end(begun)
    }
  },
})

const SCRIPT = `return redis.call('get', KEYS[1]) .. ARGV[1]`
const source = { text: SCRIPT, sha: createHash('sha1').update(SCRIPT).digest('hex') }

export const evalsha = workload({
  id: 'evalsha',
  title: 'EVALSHA of a small script',
  unit: 'commands',
  callers: CALLERS,
  commandsPerOperation: 1,
  prepare: async (write) => {
    await write('SCRIPT', 'LOAD', SCRIPT)
    for (const caller of range(CALLERS)) await write('SET', `script:${caller}`, asciiValue(caller, 50))
  },
  run: async (client, caller, loop) => {
    const key = `script:${caller}`
    const suffixes = range(4).map((i) => `+${i}`)
    const replies = suffixes.map((suffix) => asciiValue(caller, 50) + suffix)
    for (let n = 0; loop.running; n = (n + 1) % 4) {
      const begun = loop.begin()
      const reply = await client.script(source, key, suffixes[n]!)
      if (reply !== replies[n]) throw new WrongReplyError(`EVALSHA on ${key}`, reply)
      loop.end(begun)
    }
  },
})

export const commandWorkloads: readonly Workload[] = [hgetall, mget, lrange, pipeline, multi, evalsha]
