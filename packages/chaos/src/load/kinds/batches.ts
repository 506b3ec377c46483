import type { CommandLine } from '../../client.js'
import { certainlyNot, IN_PART } from '../call.js'
import { countEach, type Kind } from '../kind.js'
import { auditPushes, isCount } from './commands.js'

/** Commands sent together, each with a fate of its own. */
const pipeline: Kind = {
  name: 'pipeline',
  offered: (client) => client.pipeline !== undefined,
  async issue(call, { client, keys }) {
    const commands: CommandLine[] = [
      ['GET', keys.of('known', call.shard)],
      ['RPUSH', keys.of('piped', call.shard), call.id],
      ['STRLEN', keys.of('known', call.shard)],
    ]
    if (!keys.spread) commands.push(['ECHO', call.id])
    const results = await client.pipeline!(commands)
    const [known, pushed, length, echo] = results
    const wrong = (entry: unknown, own: boolean) => !(entry instanceof Error) && !own
    call.foreign =
      results.length !== commands.length ||
      wrong(known, known === null || known === `value:${call.shard}`) ||
      wrong(pushed, isCount(pushed)) ||
      wrong(length, Number(length) === 0 || Number(length) === `value:${call.shard}`.length) ||
      wrong(echo, keys.spread || echo === call.id)
    const failed = results.find((result) => result instanceof Error)
    if (pushed instanceof Error) throw pushed
    if (failed !== undefined) {
      // Its write is done; that something else failed is told all the same.
      call.told = IN_PART
      throw failed
    }
  },
  audit: (of, truth, flaws) => {
    const calls = of('pipeline').filter(({ told }) => told !== IN_PART)
    return auditPushes(calls, 'piped', truth, flaws)
  },
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
      if (times === 0 && call.verdict === 'ok' && truth.lost(call)) flaws.lost++
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
