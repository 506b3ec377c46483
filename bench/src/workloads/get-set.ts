import { openClient } from '../clients/index.js'
import type { BenchClient } from '../clients/types.js'
import type { Job } from '../job.js'
import { type Loop, WrongReplyError } from '../measure/loop.js'
import { ServerView } from '../measure/server.js'
import { measureWindow } from '../measure/window.js'
import type { Workload } from './types.js'
import { asciiValue, multibyteValue } from './values.js'

/** Every tenth operation is a SET. */
const SET_EVERY = 10
/** Values a caller writes in turn, so that a stale or foreign reply is not taken for the right one. */
const VARIANTS = 4

export interface GetSetOptions {
  readonly id: string
  readonly title: string
  readonly callers: number
  readonly bytes: number
  readonly kind?: 'text' | 'multibyte' | 'buffer'
  readonly tls?: boolean
}

/** GET:SET 9:1; each caller reads back what it last wrote to its own key. */
export function getSet({ id, title, callers, bytes, kind = 'text', tls }: GetSetOptions): Workload {
  return {
    id,
    title,
    unit: 'commands',
    tls,
    measure: async (job: Job) => {
      const client = await openClient(job.client, tls ? job.target : { ...job.target, tls: undefined }, {
        text: kind === 'buffer' ? 'bytes' : kind === 'multibyte' ? 'utf8' : 'latin1',
        dedicated: 0,
      })
      const server = await ServerView.open(job.target)
      const make = kind === 'multibyte' ? multibyteValue : asciiValue
      const run = kind === 'buffer' ? buffers : texts
      // Few large values, many small ones: the set-up must not outgrow the measurement.
      const variants = Array.from({ length: VARIANTS * Math.min(callers, 1024) }, (_, i) => make(i, bytes))
      const options = { ...job, callers, commandsPerOperation: 1 }
      try {
        return await measureWindow(options, server, (caller, loop) => run(client, caller, variants, loop))
      } finally {
        server.close()
        await client.close()
      }
    },
  }
}

/** One caller: reads back what it last wrote, and throws when that is not what it gets. */
export async function texts(
  client: Pick<BenchClient, 'get' | 'set'>,
  caller: number,
  variants: readonly string[],
  loop: Loop,
): Promise<void> {
  const key = `bench:${caller}`
  const first = caller * VARIANTS
  let expected = variants[first % variants.length]!
  await client.set(key, expected)
  for (let n = 1; loop.running; n++) {
    const begun = loop.begin()
    if (n % SET_EVERY === 0) {
      expected = variants[(first + ((n / SET_EVERY) % VARIANTS)) % variants.length]!
      const reply = await client.set(key, expected)
      if (reply !== 'OK') throw new WrongReplyError(`SET ${key}`, reply)
    } else {
      const reply = await client.get(key)
      if (reply !== expected) throw new WrongReplyError(`GET ${key}`, reply)
    }
    loop.end(begun)
  }
}

async function buffers(client: BenchClient, caller: number, texts: readonly string[], loop: Loop): Promise<void> {
  const key = `bench:${caller}`
  const variants = Array.from({ length: VARIANTS }, (_, i) =>
    Buffer.from(texts[(caller * VARIANTS + i) % texts.length]!, 'latin1'),
  )
  let expected = variants[0]!
  await client.setBuffer(key, expected)
  for (let n = 1; loop.running; n++) {
    const begun = loop.begin()
    if (n % SET_EVERY === 0) {
      expected = variants[(n / SET_EVERY) % VARIANTS]!
      const reply = await client.setBuffer(key, expected)
      if (String(reply) !== 'OK') throw new WrongReplyError(`SET ${key}`, reply)
    } else {
      const reply = await client.getBuffer(key)
      if (!Buffer.isBuffer(reply) || !expected.equals(reply)) throw new WrongReplyError(`GET ${key}`, reply)
    }
    loop.end(begun)
  }
}
