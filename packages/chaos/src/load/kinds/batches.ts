import type { CommandLine } from '../../client.js'
import { certainlyNot, IN_PART, mustBeThere } from '../call.js'
import { countEach, type Kind } from '../kind.js'
import { auditPushes, isCount } from './commands.js'

/** Commands sent together, each with a fate of its own. */
const pipeline: Kind = {
  name: 'pipeline',
  offered: (client) => client.pipeline !== undefined,
  async issue(call, { client, keys }) {
    const results = await client.pipeline!([
      ['ECHO', call.id],
      ['RPUSH', keys.of('piped', call.shard), call.id],
      ['GET', keys.of('known', call.shard)],
      ['ECHO', `${call.id}!`],
    ])
    const [first, pushed, known, last] = results
    const wrong = (entry: unknown, own: boolean) => !(entry instanceof Error) && !own
    call.foreign =
      results.length !== 4 ||
      wrong(first, first === call.id) ||
      wrong(last, last === `${call.id}!`) ||
      wrong(pushed, isCount(pushed)) ||
      wrong(known, known === null || known === `value:${call.shard}`)
    if (pushed instanceof Error) throw pushed
  },
  audit: (of, truth, flaws) => auditPushes(of('pipeline'), 'piped', truth, flaws),
}

/** All or nothing: two lists and a counter that only transactions touch must agree. */
const transaction: Kind = {
  name: 'transaction',
  offered: (client) => client.transaction !== undefined,
  async issue(call, { client, keys, random }) {
    const commands: CommandLine[] = [
      ['RPUSH', keys.of('tx:a', call.shard), call.id],
      ['ECHO', call.id],
      ['INCR', keys.of('tx:n', call.shard)],
      ...Array.from({ length: random.between(0, 8) }, (_, i): CommandLine => ['ECHO', `${call.id}:${i}`]),
      ['RPUSH', keys.of('tx:b', call.shard), call.id],
    ]
    const results = await client.transaction!(commands)
    const refused = results?.find((result) => result instanceof Error)
    if (refused !== undefined) {
      call.told = IN_PART
      throw refused
    }
    call.foreign = !commands.every((command, i) => {
      const result = results?.[i]
      return command[0] === 'ECHO' ? result === command[1] : isCount(result)
    })
  },
  async audit(of, truth, flaws) {
    const calls = of('transaction')
    const [a, b] = [await countEach(truth, 'tx:a'), await countEach(truth, 'tx:b')]
    for (const call of calls) {
      if (call.told === IN_PART) continue
      const times = a.get(call.id) ?? 0
      if (times !== (b.get(call.id) ?? 0)) flaws.torn++
      if (times > 1) flaws.doubled++
      if (times === 0 && mustBeThere(call, truth.durableSince)) flaws.lost++
      if (times > 0 && certainlyNot(call)) flaws.falseNo++
    }
    for (let shard = 0; shard < truth.keys.shards; shard++) {
      const [list, counter] = [truth.keys.of('tx:a', shard), truth.keys.of('tx:n', shard)]
      const length = Number(await truth.ask(list, 'LLEN', list))
      const difference = Math.abs(length - Number((await truth.ask(counter, 'GET', counter)) ?? 0))
      if (difference > calls.filter((call) => call.shard === shard && call.told === IN_PART).length) flaws.torn++
    }
  },
}

export const batchKinds: readonly Kind[] = [pipeline, transaction]
