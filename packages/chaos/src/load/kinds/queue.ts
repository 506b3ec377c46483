import { type Call, certainlyNot } from '../call.js'
import { countEach, type Kind } from '../kind.js'

const BLOCK_SECONDS = 0.5
/** What a client may add to the block time before it gives up. */
const GRACE_MS = 1_500

const feed: Kind = {
  name: 'feed',
  offered: (client) => client.blockingPop !== undefined,
  async issue(call, { client, keys }) {
    call.foreign = !/^\d+$/.test(String(await client.call('RPUSH', keys.of('queue', call.shard), call.id)))
  },
  /** Every element is delivered to exactly one caller, or still there. */
  async audit(of, truth, flaws) {
    const delivered = new Map<string, number>()
    const pops = [...of('pop'), ...of('pop-for-ever')]
    for (const { told } of pops) {
      if (typeof told === 'string') delivered.set(told, (delivered.get(told) ?? 0) + 1)
    }
    const left = await countEach(truth, 'queue')
    const missing: Call[][] = Array.from({ length: truth.keys.shards }, () => [])
    for (const call of of('feed')) {
      const times = (delivered.get(call.id) ?? 0) + (left.get(call.id) ?? 0)
      // A BLPOP that the server forgot leaves its element there.
      if (times > 1 && !truth.forgetful(call.shard)) flaws.elementsTwice++
      if (times > 0 && certainlyNot(call)) flaws.falseNo++
      if (times === 0 && call.verdict === 'ok' && !truth.forgetful(call.shard)) missing[call.shard]!.push(call)
    }
    // Who was not told what became of the BLPOP may have been sent an element by the server.
    for (const { verdict, shard } of pops) {
      if (verdict === undefined || verdict === 'unknown' || verdict === 'unsaid') missing[shard]!.pop()
    }
    flaws.elementsLost += missing.flat().filter((call) => truth.lost(call)).length
  },
}

async function pop(call: Call, reply: Promise<unknown>, key: string): Promise<void> {
  const popped = await reply
  if (popped === null) return
  const [from, element] = popped as [string, string]
  call.told = element
  call.foreign = from !== key || !/^(feed|wake)-/.test(element)
}

const popForAWhile: Kind = {
  name: 'pop',
  offered: (client) => client.blockingPop !== undefined,
  // The wait for a connection comes before the block time.
  limitMs: (timeoutMs) => timeoutMs + BLOCK_SECONDS * 1_000 + GRACE_MS,
  issue(call, { client, keys }) {
    const key = keys.of('queue', call.shard)
    return pop(call, client.blockingPop!(key, BLOCK_SECONDS), key)
  },
}

const popForEver: Kind = {
  name: 'pop-for-ever',
  offered: (client) => client.blockingPop !== undefined,
  limitMs: () => Number.POSITIVE_INFINITY,
  issue(call, { client, keys }) {
    const key = keys.of('queue', call.shard)
    return pop(call, client.blockingPop!(key, 0), key)
  },
}

export const queueKinds: readonly Kind[] = [feed, popForAWhile, popForEver]
