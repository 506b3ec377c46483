import { tracingChannel } from 'node:diagnostics_channel'
import { expect, it } from 'vitest'
import { onBoth, ready, useServer } from './support.js'

const server = useServer()

/** Records what instrumentations would see on a channel, while `run` runs. */
async function observe(name: string, run: () => Promise<unknown>): Promise<{ type: string; context: object }[]> {
  const seen: { type: string; context: object }[] = []
  const channel = tracingChannel(name)
  const note = (type: string) => (context: object) => void seen.push({ type, context: { ...context } })
  const subscribers = {
    start: note('start'),
    end: note('end'),
    asyncStart: note('asyncStart'),
    asyncEnd: note('asyncEnd'),
    error: note('error'),
  }
  channel.subscribe(subscribers)
  try {
    await run()
    await new Promise((resolve) => setImmediate(resolve))
  } finally {
    channel.unsubscribe(subscribers)
  }
  return seen
}

onBoth('diagnostics channels', server, (make) => {
  it('tell of each command, without its values', async () => {
    const client = make({ db: 2 })
    await ready(client)
    const seen = await observe('ioredis:command', () => client.set('k', 'secret'))
    expect(seen.map(({ type }) => type)).toEqual(['start', 'end', 'asyncStart', 'asyncEnd'])
    expect(seen[0]!.context).toMatchObject({
      command: 'set',
      args: ['k', '?'],
      database: 2,
      serverAddress: '127.0.0.1',
      serverPort: server().port,
    })
    const auth = await observe('ioredis:command', () => client.call('AUTH', 'nobody', 'secret').catch(() => undefined))
    expect(auth.map(({ type }) => type)).toContain('error')
    expect(JSON.stringify(auth.map(({ context }) => (context as { args: unknown }).args))).not.toContain('secret')
  })

  it('tell of transactions as one batch, of pipelined commands one by one', async () => {
    const client = make()
    await ready(client)
    const batches = await observe('ioredis:batch', () => client.multi().set('a', 1).get('a').exec())
    expect(batches[0]).toMatchObject({ type: 'start', context: { batchMode: 'MULTI', batchSize: 2, database: 0 } })
    expect(batches.at(-1)!.type).toBe('asyncEnd')
    const commands = await observe('ioredis:command', () => client.pipeline().set('a', 1).get('a').exec())
    expect(commands.filter(({ type }) => type === 'start').map(({ context }) => context)).toMatchObject([
      { command: 'set' },
      { command: 'get' },
    ])
  })

  it('tell of connecting', async () => {
    const client = make({ lazyConnect: true })
    const seen = await observe('ioredis:connect', () => client.connect())
    expect(seen[0]).toMatchObject({
      type: 'start',
      context: { serverAddress: '127.0.0.1', serverPort: server().port, connectionEpoch: 0 },
    })
    expect(seen.at(-1)!.type).toBe('asyncEnd')
  })
})
