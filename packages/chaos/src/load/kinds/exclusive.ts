import { before } from '../../client.js'
import { certainlyNot, IN_PART } from '../call.js'
import { countEach, type Kind } from '../kind.js'
import { auditPushes } from './commands.js'

/** Waiting for the connection, and each step. */
const STEPS = 7

/**
 * Read, think, write: the number must have grown by one for each that was applied. One transaction that ran without
 * the protection of its WATCH, or one stranger's command inside it, and it has not.
 */
const watch: Kind = {
  name: 'watch',
  offered: (client) => client.exclusive !== undefined,
  limitMs: (timeoutMs) => timeoutMs * STEPS,
  async issue(call, { client, keys, random }) {
    const [number, list] = [keys.of('watched', call.shard), keys.of('watchers', call.shard)]
    let writing = false
    const work = client.exclusive!(number, async (connection) => {
      await connection.call('WATCH', number)
      const read = Number((await connection.call('GET', number)) ?? 0)
      await new Promise((resolve) => setTimeout(resolve, random.between(0, 3)))
      await connection.call('MULTI')
      await connection.call('SET', number, String(read + 1))
      await connection.call('RPUSH', list, call.id)
      writing = true
      const results = await connection.call('EXEC')
      const refused = Array.isArray(results) ? results.find((entry) => entry instanceof Error) : undefined
      if (refused !== undefined) {
        call.told = IN_PART
        throw refused
      }
      call.told = results !== null
      call.writtenAt = performance.now()
      call.foreign = results !== null && (!Array.isArray(results) || results.length !== 2)
    })
    await work.catch((error) => {
      if (writing) throw error
      return before(Promise.reject(error))
    })
  },
  async audit(of, truth, flaws) {
    const there = await countEach(truth, 'watchers')
    for (const call of of('watch')) {
      if (call.told === IN_PART) continue
      const times = there.get(call.id) ?? 0
      if (times > 1) flaws.doubled++
      if (times === 0 && call.told === true && call.verdict === 'ok' && truth.lost(call)) flaws.lost++
      if (times > 0 && (certainlyNot(call) || call.told === false)) flaws.falseNo++
    }
    for (let shard = 0; shard < truth.keys.shards; shard++) {
      const [number, list] = [truth.keys.of('watched', shard), truth.keys.of('watchers', shard)]
      const applied = Number(await truth.ask(list, 'LLEN', list))
      const difference = Math.abs(applied - Number((await truth.ask(number, 'GET', number)) ?? 0))
      const inPart = of('watch').filter((call) => call.shard === shard && call.told === IN_PART)
      if (difference > inPart.length) flaws.unprotected++
    }
  },
}

const OTHER_DATABASE = '1'

/** Borrows a connection, changes its state, and gives it back: the next borrower must not notice. */
const lease: Kind = {
  name: 'lease',
  offered: (client) => client.exclusive !== undefined,
  limitMs: (timeoutMs) => timeoutMs * STEPS,
  async issue(call, { client, keys, databases }) {
    const key = keys.of('leased', call.shard)
    let writing = false
    const work = client.exclusive!(key, async (connection) => {
      if (databases) await connection.call('SELECT', OTHER_DATABASE)
      call.foreign = (await connection.call('ECHO', call.id)) !== call.id
      writing = true
      await connection.call('RPUSH', key, call.id)
      call.writtenAt = performance.now()
    })
    await work.catch((error) => {
      if (writing) throw error
      return before(Promise.reject(error))
    })
  },
  async audit(of, truth, flaws) {
    if (!truth.databases) {
      await auditPushes(of('lease'), 'leased', truth, flaws)
      return
    }
    const elsewhere = { ...truth, ask: askDatabase(truth, OTHER_DATABASE) }
    await auditPushes(of('lease'), 'leased', elsewhere, flaws)
    // What leases write to the other database must not come here, nor what everybody else writes go there.
    for (const times of (await countEach(truth, 'leased')).values()) flaws.wrongDatabase += times
    for (const name of ['log', 'watchers', 'tx:a']) {
      for (const times of (await countEach(elsewhere, name)).values()) flaws.wrongDatabase += times
    }
  },
}

function askDatabase(truth: Parameters<NonNullable<Kind['audit']>>[1], database: string): typeof truth.ask {
  const script = "redis.call('SELECT', KEYS[2]) return redis.call(unpack(ARGV))"
  return (key, ...command) => truth.ask(key, 'EVAL', script, '2', key, database, ...command)
}

export const exclusiveKinds: readonly Kind[] = [watch, lease]
