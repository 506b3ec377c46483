import { Batch, Decoder, GlideClient, type HashDataType, Script } from '@valkey/valkey-glide'
import type { Target } from '../job.js'
import type { BenchClient, DedicatedCaller, Hash } from './types.js'
import { sameList, transactionReplies } from './verify.js'

function connect({ host, port, tls }: Target): Promise<GlideClient> {
  return GlideClient.createClient({
    addresses: [{ host, port: tls?.port ?? port }],
    useTLS: tls !== undefined,
    // Its defaults (250 ms, 1,000 commands) reject callers at the loads measured here.
    requestTimeout: 30_000,
    inflightRequestsLimit: 20_000,
    ...(tls === undefined ? {} : { advancedConfiguration: { tlsAdvancedConfiguration: { rootCertificates: tls.ca } } }),
  })
}

/** GLIDE gives a hash as a list of pairs. */
function samePairs(pairs: HashDataType, { fields, values }: Hash): boolean {
  if (pairs.length !== fields.length) return false
  for (let i = 0; i < pairs.length; i++) {
    if (pairs[i]!.field !== fields[i] || pairs[i]!.value !== values[i]) return false
  }
  return true
}

export async function glide(target: Target): Promise<BenchClient> {
  const client = await connect(target)
  let script: Script | undefined
  return {
    get: (key) => client.get(key),
    set: (key, value) => client.set(key, value),
    getBuffer: (key) => client.get(key, { decoder: Decoder.Bytes }),
    setBuffer: (key, value) => client.set(key, value),
    mget: (keys) => client.mget(keys),
    lrange: (key) => client.lrange(key, 0, -1),
    hgetall: async (key, expected) => samePairs(await client.hgetall(key), expected),
    pipelineGets: async (keys, expected) => {
      const batch = new Batch(false)
      for (const key of keys) batch.get(key)
      return sameList(await client.exec(batch, true), expected)
    },
    transaction: async (keys, value, count) => {
      const batch = new Batch(true)
      batch.set(keys.value, value)
      batch.get(keys.value)
      batch.incr(keys.counter)
      batch.get(keys.counter)
      batch.strlen(keys.value)
      return sameList(await client.exec(batch, true), transactionReplies(value, count))
    },
    script: (source, key, argument) => {
      script ??= new Script(source.text)
      return client.invokeScript(script, { keys: [key], args: [argument] })
    },
    dedicated: async (): Promise<DedicatedCaller> => {
      const own = await connect(target)
      return {
        blockingPop: async (key, seconds) => ((await own.blpop([key], seconds))?.[1] as string | undefined) ?? null,
        watchIncrement: async (key) => {
          await own.watch([key])
          const next = Number(await own.get(key)) + 1
          return sameList(await own.exec(new Batch(true).set(key, String(next)), true), ['OK'])
        },
        close: async () => own.close(),
      }
    },
    close: async () => client.close(),
  }
}
