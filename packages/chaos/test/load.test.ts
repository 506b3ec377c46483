import { describe, expect, it } from 'vitest'
import type { ChaosClient, CommandLine, SubscriptionListener } from '../src/client.js'
import type { Call } from '../src/load/call.js'
import { audit, violations } from '../src/load/invariants.js'
import { Keys, type Truth } from '../src/load/kind.js'
import { LagMeter } from '../src/load/lag-meter.js'
import { commandLoad } from '../src/load/roles.js'
import { SubscriptionLoad } from '../src/load/subscription.js'
import { type Role, Workload } from '../src/load/workload.js'
import { Random } from '../src/random.js'

/** Enough of a server to be lied about. */
class Memory {
  readonly lists = new Map<string, string[]>()
  readonly numbers = new Map<string, number>()

  run(command: readonly string[]): string | number | string[] | null {
    const [name, key = '', value = ''] = command
    const list = this.lists.get(key) ?? []
    switch (name) {
      case 'ECHO':
        return key
      case 'RPUSH':
        list.push(value)
        this.lists.set(key, list)
        return list.length
      case 'LPOP':
        return list.shift() ?? null
      case 'LRANGE':
        return list
      case 'LLEN':
        return list.length
      case 'INCR':
        this.numbers.set(key, (this.numbers.get(key) ?? 0) + 1)
        return this.numbers.get(key)!
      case 'SET':
        this.numbers.set(key, Number(value))
        return 'OK'
      case 'GET':
        return key.startsWith('known') ? null : String(this.numbers.get(key) ?? 0)
      default:
        throw new Error(`Memory does not know ${name}`)
    }
  }
}

const unknown = () => Object.assign(new Error('lost'), { outcome: 'unknown' })
const notSent = () => Object.assign(new Error('refused'), { outcome: 'not-sent' })

/** What the audit says of a client that works on the memory as `script` has it. */
async function complaints(
  script: (memory: Memory) => Partial<ChaosClient>,
  roles: readonly Role[] = commandLoad(4),
): Promise<string[]> {
  const memory = new Memory()
  const client: ChaosClient = {
    name: 'scripted',
    call: async (...command) => memory.run(command),
    close: async () => undefined,
    ...script(memory),
  }
  const lag = new LagMeter()
  const load = new Workload({
    client,
    roles,
    random: new Random(1),
    lag,
    timeoutMs: 500,
    keys: new Keys(),
    databases: false,
  })
  await new Promise((resolve) => setTimeout(resolve, 40))
  load.end()
  await load.ended(200)
  lag.stop()
  const truth: Truth = {
    keys: load.keys,
    ask: async (_key, ...command) => memory.run(command) as string,
    lost: () => true,
    incrementsLost: () => true,
    forgetful: () => false,
    databases: false,
  }
  expect(load.calls.length).toBeGreaterThan(3)
  return violations(await audit(load.calls as Call[], truth, undefined))
}

const role = (kind: Role['kinds'][number]): Role[] => [{ kinds: [kind], callers: 3, restMs: 2 }]

describe('the audit of the load has nothing against a client that tells the truth, and finds one that', () => {
  it('is honest', async () => {
    expect(await complaints(() => ({}))).toEqual([])
  })

  it('calls back twice', async () => {
    const twice = await complaints((memory) => ({
      callBack: (done, ...command) => {
        const reply = memory.run(command)
        done(null, reply)
        done(null, reply)
      },
    }))
    expect(twice).toEqual([expect.stringMatching(/^\d+ requests settled twice$/)])
  })

  it('never answers', async () => {
    const hung = await complaints(() => ({ call: () => new Promise(() => undefined) }))
    expect(hung).toEqual(['4 requests never settled'])
  }, 2_000)

  it('does not say what became of a command', async () => {
    const unsaid = await complaints(() => ({ call: async () => Promise.reject(new Error('something')) }))
    expect(unsaid).toEqual([expect.stringMatching(/errors do not say/)])
  })

  it('sends a write twice', async () => {
    const found = await complaints((memory) => ({
      call: async (...command) => {
        memory.run(command)
        return memory.run(command)
      },
    }))
    expect(found).toContainEqual(expect.stringMatching(/writes are there twice/))
    expect(found).toContainEqual(expect.stringMatching(/increments more than were asked for/))
  })

  it('acknowledges what it never sent', async () => {
    const found = await complaints(
      () => ({ call: async (...command) => (command[0] === 'ECHO' ? command[1] : 1) }),
      [{ kinds: ['push'], callers: 3, restMs: 2 }],
    )
    expect(found).toEqual([expect.stringMatching(/acknowledged writes are not there/)])
  })

  it('says of a write that ran that it did not', async () => {
    const call =
      (memory: Memory) =>
      async (name: string, ...args: string[]) => {
        memory.run([name, ...args])
        throw notSent()
      }
    const found = await complaints((memory) => ({ call: call(memory) }), role('push'))
    expect(found).toEqual([expect.stringMatching(/said not to have run are there/)])
  })

  it('gives a caller the reply of another', async () => {
    let last = 'nobody'
    const call = async (_name: string, id = '') => {
      const reply = last
      last = id
      return reply
    }
    expect(await complaints(() => ({ call }), role('echo'))).toEqual([expect.stringMatching(/another caller/)])
  })

  it('applies a transaction in part', async () => {
    const transaction = (memory: Memory) => async (commands: readonly CommandLine[]) => {
      memory.run(commands[0]!)
      throw unknown()
    }
    const found = await complaints((memory) => ({ transaction: transaction(memory) }), role('transaction'))
    expect(found).toEqual([expect.stringMatching(/transactions were applied in part/)])
  })

  it('runs a transaction although its watched key had changed', async () => {
    const exclusive = (memory: Memory): ChaosClient['exclusive'] => {
      return async (_key, work) => {
        const queued: string[][] = []
        return work({
          call: async (...command) => {
            if (command[0] === 'WATCH' || command[0] === 'MULTI') return 'OK'
            if (command[0] === 'GET') return memory.run(command)
            if (command[0] !== 'EXEC') return queued.push(command)
            return queued.map((one) => memory.run(one))
          },
        })
      }
    }
    const found = await complaints(
      (memory) => ({ exclusive: exclusive(memory) }),
      [{ kinds: ['watch'], callers: 20, restMs: 1 }],
    )
    expect(found).toEqual([expect.stringMatching(/although its watched key had changed/)])
  })

  it('loses an element of a queue, or delivers one twice', async () => {
    const blockingPop = (memory: Memory, deliver: (element: string) => unknown) => async (key: string) => {
      await new Promise((resolve) => setTimeout(resolve, 1))
      const element = memory.run(['LPOP', key])
      return element === null ? null : deliver(String(element)) === null ? null : [key, element]
    }
    const roles: Role[] = [
      { kinds: ['feed'], callers: 4, restMs: 1 },
      { kinds: ['pop'], callers: 12, restMs: 1 },
    ]
    const lost = await complaints((memory) => ({ blockingPop: blockingPop(memory, () => null) }), roles)
    expect(lost).toEqual([expect.stringMatching(/queue elements reached nobody and are gone/)])
    const twice = await complaints(
      (memory) => ({
        blockingPop: async (key) => {
          const first = memory.lists.get(key)?.[0]
          return first === undefined ? null : [key, first]
        },
      }),
      roles,
    )
    expect(twice).toEqual([expect.stringMatching(/queue elements were delivered twice/)])
  })
})

describe('the subscription of the load notices', () => {
  async function listenTo(
    script: (listener: SubscriptionListener, number: number) => void,
  ): Promise<ReturnType<SubscriptionLoad['audit']>> {
    let listener: SubscriptionListener
    const subscribe = async (_channels: readonly string[], given: SubscriptionListener) => {
      listener = given
    }
    const publish = async (_channel: string, message: string) => script(listener, Number(message))
    const load = new SubscriptionLoad(subscribe, publish, ['news'])
    await load.start()
    await new Promise((resolve) => setTimeout(resolve, 80))
    await load.stop(50)
    return load.audit()
  }
  const tell = (listener: SubscriptionListener, number: number) => listener.onMessage('news', String(number))

  it('nothing when every message comes once, in order', async () => {
    const heard = await listenTo(tell)
    expect(heard).toMatchObject({ missed: 0, twice: 0, outOfOrder: 0, silent: [], gaps: 0 })
    expect(heard.received).toBeGreaterThan(2)
  })

  it('a message that was missed, unless a gap was announced for its time', async () => {
    const skip = (listener: SubscriptionListener, number: number) => number !== 2 && tell(listener, number)
    expect(await listenTo(skip)).toMatchObject({ missed: 1, inGaps: 0 })
    const announce = (listener: SubscriptionListener, number: number) => {
      if (number === 2) listener.onGap(Date.now() - 1, Date.now() + 1)
      else tell(listener, number)
    }
    expect(await listenTo(announce)).toMatchObject({ missed: 0, inGaps: 1, gaps: 1 })
  })

  it('a message that comes twice, one out of order, one that nobody sent', async () => {
    const confused = (listener: SubscriptionListener, number: number) => {
      tell(listener, number)
      if (number === 2) tell(listener, 2)
      if (number === 3) listener.onMessage('news', '99')
    }
    expect(await listenTo(confused)).toMatchObject({ twice: 1, foreign: 1 })
    const late: number[] = []
    const swapped = (listener: SubscriptionListener, number: number) => {
      if (number === 2) late.push(number)
      else tell(listener, number)
      if (number === 3) for (const one of late) tell(listener, one)
    }
    expect(await listenTo(swapped)).toMatchObject({ outOfOrder: 1 })
  })

  it('a channel that has fallen silent', async () => {
    const heard = await listenTo((listener, number) => number < 3 && tell(listener, number))
    expect(heard.silent).toEqual(['news'])
  })
})
