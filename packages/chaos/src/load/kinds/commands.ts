import { type Call, certainlyNot } from '../call.js'
import { countEach, type Flaws, type Hands, type Kind, type Truth } from '../kind.js'

/** Every fourth one prefers callbacks, where the client has them. */
function send(call: Call, { client, random }: Hands, command: string, ...args: string[]): Promise<unknown> {
  if (client.callBack === undefined || random.between(0, 3) > 0) return client.call(command, ...args)
  return new Promise((resolve, reject) => {
    let settled = false
    client.callBack!(
      (error, reply) => {
        // A promise hides what a callback shows: that somebody was answered twice.
        if (settled) call.settlements++
        settled = true
        if (error) reject(error)
        else resolve(reply)
      },
      command,
      ...args,
    )
  })
}

const echo: Kind = {
  name: 'echo',
  offered: () => true,
  async issue(call, hands) {
    call.foreign = (await send(call, hands, 'ECHO', call.id)) !== call.id
  },
}

const get: Kind = {
  name: 'get',
  offered: () => true,
  async issue(call, hands) {
    const reply = await send(call, hands, 'GET', hands.keys.of('known', call.shard))
    // After a restart without persistence the key is gone; that is the server's answer, and this caller's own.
    call.foreign = reply !== null && reply !== `value:${call.shard}`
  },
}

const push: Kind = {
  name: 'push',
  offered: () => true,
  async issue(call, hands) {
    call.foreign = !isCount(await send(call, hands, 'RPUSH', hands.keys.of('log', call.shard), call.id))
  },
  audit: (of, truth, flaws) => auditPushes(of('push'), 'log', truth, flaws),
}

const count: Kind = {
  name: 'count',
  offered: () => true,
  async issue(call, hands) {
    call.foreign = !isCount(await send(call, hands, 'INCR', hands.keys.of('n', call.shard)))
  },
  async audit(of, truth, flaws) {
    for (let shard = 0; shard < truth.keys.shards; shard++) {
      const calls = of('count').filter((call) => call.shard === shard)
      const key = truth.keys.of('n', shard)
      const held = Number((await truth.ask(key, 'GET', key)) ?? 0)
      const acknowledged = calls.filter((call) => call.verdict === 'ok')
      const most = calls.filter((call) => !certainlyNot(call)).length
      flaws.incrementsTwice += Math.max(0, held - most)
      const lost = Math.max(0, acknowledged.length - held)
      if (lost > 0 && truth.incrementsLost(shard, lost)) flaws.incrementsLost += lost
    }
  },
}

/** Compares pushed ids with the lists of that name. */
export async function auditPushes(calls: readonly Call[], name: string, truth: Truth, flaws: Flaws): Promise<void> {
  const there = await countEach(truth, name)
  for (const call of calls) {
    const times = there.get(call.id) ?? 0
    if (times > 1) flaws.doubled++
    if (times === 0 && call.verdict === 'ok' && truth.lost(call)) flaws.lost++
    if (times > 0 && certainlyNot(call)) flaws.falseNo++
  }
}

export function isCount(reply: unknown): boolean {
  return /^\d+$/.test(String(reply))
}

export const commandKinds: readonly Kind[] = [echo, get, push, count]
