import { certainlyNot } from '../call.js'
import { countEach, type Kind } from '../kind.js'
import { auditPushes } from './commands.js'

/** Two keys of one slot, written together and read together: they are never seen to differ. */
const multiKey: Kind = {
  name: 'multi-key',
  offered: () => true,
  async issue(call, { client, keys, random }) {
    const [one, two] = [keys.of('both:1', call.shard), keys.of('both:2', call.shard)]
    if (random.between(0, 1) === 0) {
      await client.call('MSET', one, call.id, two, call.id)
      return
    }
    const [first, second] = (await client.call('MGET', one, two)) as [unknown, unknown]
    call.foreign = first !== second
  },
}

const SCRIPT = "redis.call('RPUSH', KEYS[1], ARGV[1]) redis.call('RPUSH', KEYS[2], ARGV[1]) return ARGV[1]"

const script: Kind = {
  name: 'script',
  offered: () => true,
  async issue(call, { client, keys }) {
    const lists = [keys.of('script:a', call.shard), keys.of('script:b', call.shard)]
    call.foreign = (await client.call('EVAL', SCRIPT, '2', ...lists, call.id)) !== call.id
  },
  async audit(of, truth, flaws) {
    await auditPushes(of('script'), 'script:a', truth, flaws)
    const [a, b] = [await countEach(truth, 'script:a'), await countEach(truth, 'script:b')]
    for (const call of of('script')) {
      if (certainlyNot(call)) continue
      if ((a.get(call.id) ?? 0) !== (b.get(call.id) ?? 0)) flaws.torn++
    }
  },
}

export const severalKeyKinds: readonly Kind[] = [multiKey, script]
