import type { Target } from '../job.js'
import type { FloorReply } from './floor-codec.js'
import { FloorSocket } from './floor-socket.js'
import type { BenchClient, ClientNeeds, DedicatedCaller, Hash } from './types.js'
import { sameList, transactionReplies } from './verify.js'

const GET = '*2\r\n$3\r\nGET\r\n'
const SET = '*3\r\n$3\r\nSET\r\n'

/** The floor's commands, spelled out by hand as the fastest minimal code would. */
export async function floor(target: Target, _connections: number, needs: ClientNeeds): Promise<BenchClient> {
  const socket = await FloorSocket.open(target, needs.text)
  const utf8 = needs.text === 'utf8'
  const bulk = (text: string) => `$${utf8 ? Buffer.byteLength(text) : text.length}\r\n${text}\r\n`
  const command = (...args: string[]) => `*${args.length}\r\n${args.map(bulk).join('')}`
  const all = (texts: readonly string[]) => Promise.all(texts.map((text) => socket.send(text)))

  return {
    get: (key) => socket.send(GET + bulk(key)),
    set: (key, value) => socket.send(SET + bulk(key) + bulk(value)),
    getBuffer: (key) => socket.send(GET + bulk(key)),
    setBuffer: (key, value) => socket.sendBytes(`${SET + bulk(key)}$${value.length}\r\n`, value),
    mget: (keys) => socket.send(command('MGET', ...keys)),
    lrange: (key) => socket.send(command('LRANGE', key, '0', '-1')),
    hgetall: async (key, expected) => sameFlatHash(await socket.send(command('HGETALL', key)), expected),
    pipelineGets: async (keys, expected) => sameList(await all(keys.map((key) => GET + bulk(key))), expected),
    transaction: async (keys, value, count) => {
      const replies = await all([
        command('MULTI'),
        command('SET', keys.value, value),
        command('GET', keys.value),
        command('INCR', keys.counter),
        command('GET', keys.counter),
        command('STRLEN', keys.value),
        command('EXEC'),
      ])
      return sameList(replies[6], transactionReplies(value, count))
    },
    script: (source, key, argument) => socket.send(command('EVALSHA', source.sha, '1', key, argument)),
    dedicated: async (): Promise<DedicatedCaller> => {
      const own = await FloorSocket.open(target, needs.text)
      return {
        blockingPop: async (key, seconds) =>
          ((await own.send(command('BLPOP', key, String(seconds)))) as [string, string] | null)?.[1] ?? null,
        watchIncrement: async (key) => {
          await own.send(command('WATCH', key))
          const next = Number(await own.send(GET + bulk(key))) + 1
          const sent = [command('MULTI'), command('SET', key, String(next)), command('EXEC')]
          const replies = await Promise.all(sent.map((text) => own.send(text)))
          return sameList(replies[2], ['OK'])
        },
        close: async () => own.close(),
      }
    },
    close: async () => socket.close(),
  }
}

/** Makes the object that every client makes, then compares it: a flat list would be less than a user wants. */
function sameFlatHash(reply: FloorReply, { fields, values }: Hash): boolean {
  if (!Array.isArray(reply) || reply.length !== fields.length * 2) return false
  const object: Record<string, FloorReply> = {}
  for (let i = 0; i < reply.length; i += 2) object[reply[i] as string] = reply[i + 1]!
  for (let i = 0; i < fields.length; i++) if (object[fields[i]!] !== values[i]) return false
  return true
}
