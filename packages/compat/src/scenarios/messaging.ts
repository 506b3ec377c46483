import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { type Context, called } from '../harness/context.js'

interface Message {
  readonly n: number
}

export async function socketioAdapter(context: Context): Promise<void> {
  const { Server } = await import('socket.io')
  const { createAdapter } = await import('@socket.io/redis-adapter')
  const { Emitter } = await import('@socket.io/redis-emitter')
  const servers = Array.from({ length: 2 }, () => {
    const publisher = context.client()
    return new Server(createServer(), { adapter: createAdapter(publisher, publisher.duplicate()) as never })
  })
  const duplicates = servers.map(
    (server) => (server.of('/').adapter as unknown as { subClient: { quit(): Promise<unknown> } }).subClient,
  )
  const [here, there] = servers as [(typeof servers)[0], (typeof servers)[0]]
  await context.until(async () => assert.equal(await here.of('/').adapter.serverCount(), 2))

  const heard: unknown[] = []
  there.on('news', (...args) => heard.push(args))
  for (let n = 0; n < 20; n++) here.serverSideEmit('news', { n } satisfies Message, Buffer.from([0, 255, n]))
  await context.until(() => assert.equal(heard.length, 20))
  assert.deepEqual(
    heard.map((args) => (args as [Message])[0].n),
    Array.from({ length: 20 }, (_, n) => n),
    'in order',
  )
  there.on('ask', (done: (answer: string) => void) => done('answer'))
  assert.deepEqual(
    await new Promise((resolve, reject) =>
      here.serverSideEmit('ask', (error: Error | null, all: unknown) => (error ? reject(error) : resolve(all))),
    ),
    ['answer'],
  )
  assert.deepEqual(await here.fetchSockets(), [])

  const emitted = called<[string]>()
  there.on('from-emitter', (text: string) => emitted.fn(text))
  new Emitter(context.client()).serverSideEmit('from-emitter', 'hello')
  assert.deepEqual(await emitted.promise, ['hello'])
  for (const server of servers) await server.close()
  for (const duplicate of duplicates) await duplicate.quit()
}

export async function socketioStreamsAdapter(context: Context): Promise<void> {
  const { Server } = await import('socket.io')
  const { createAdapter } = await import('@socket.io/redis-streams-adapter')
  const clients = [context.client(), context.client()]
  const servers = clients.map(
    (client) =>
      new Server(createServer(), {
        adapter: createAdapter(client, { blockTimeInMs: 100, heartbeatInterval: 200 } as never) as never,
      }),
  )
  const [here, there] = servers as [(typeof servers)[0], (typeof servers)[0]]
  const heard: Message[] = []
  there.on('news', (message: Message) => heard.push(message))
  await context.until(async () => assert.equal(await here.of('/').adapter.serverCount(), 2))
  for (let n = 0; n < 10; n++) here.serverSideEmit('news', { n })
  await context.until(() =>
    assert.deepEqual(
      heard,
      Array.from({ length: 10 }, (_, n) => ({ n })),
    ),
  )
  for (const server of servers) await server.close()
  await Promise.all(clients.map((client) => client.quit()))
  await context.until(async () =>
    assert.equal(await context.server.client('LIST').then((list) => String(list).trim().split('\n').length), 1),
  )
  await context.server.flushdb()
}

export async function graphqlRedisSubscriptions(context: Context): Promise<void> {
  const { RedisPubSub } = await import('graphql-redis-subscriptions')
  const pubsub = new RedisPubSub({ publisher: context.client() as never, subscriber: context.client() as never })
  const heard: unknown[] = []
  const id = await pubsub.subscribe('news', (message) => heard.push(message))
  const patterned: unknown[] = []
  const patternId = await pubsub.subscribe('news.*', (message) => patterned.push(message), { pattern: true })
  for (let n = 0; n < 20; n++) void pubsub.publish('news', { n })
  await pubsub.publish('news.local', { n: -1 })
  await context.until(() => assert.equal(heard.length + patterned.length, 21))
  assert.deepEqual(
    heard,
    Array.from({ length: 20 }, (_, n) => ({ n })),
  )
  assert.deepEqual(patterned, [{ n: -1 }])
  const iterator = pubsub.asyncIterator<Message>('more')
  const next = iterator.next()
  await context.until(async () => assert.deepEqual(await context.server.pubsub('NUMSUB', 'more'), ['more', 1]))
  await pubsub.publish('more', { n: 5 })
  assert.deepEqual(await next, { value: { n: 5 }, done: false })
  await iterator.return?.()
  pubsub.unsubscribe(id)
  pubsub.unsubscribe(patternId)
  await context.until(async () => assert.deepEqual(await context.server.pubsub('CHANNELS'), []))
  await pubsub.close()
}

export async function yogaEventTarget(context: Context): Promise<void> {
  const { createRedisEventTarget } = await import('@graphql-yoga/redis-event-target')
  const target = createRedisEventTarget({
    publishClient: context.client() as never,
    subscribeClient: context.client() as never,
  })
  const heard: unknown[] = []
  const listener = (event: { detail: unknown }) => heard.push(event.detail)
  target.addEventListener('topic', listener as never)
  await context.until(async () => assert.deepEqual(await context.server.pubsub('NUMSUB', 'topic'), ['topic', 1]))
  for (let n = 0; n < 20; n++) target.dispatchEvent(new CustomEvent('topic', { detail: { n } }) as never)
  await context.until(() => assert.equal(heard.length, 20))
  assert.deepEqual(
    heard,
    Array.from({ length: 20 }, (_, n) => ({ n })),
    'in the order of publishing',
  )
  target.removeEventListener('topic', listener as never)
  await context.until(async () => assert.deepEqual(await context.server.pubsub('NUMSUB', 'topic'), ['topic', 0]))
}

export async function boringnodeBus(context: Context): Promise<void> {
  const { Bus } = await import('@boringnode/bus')
  const { redis } = await import('@boringnode/bus/transports/redis')
  const client = context.client()
  const buses = [1, 2].map(() => new Bus(redis(client as never)(), {}))
  const [here, there] = buses as [(typeof buses)[0], (typeof buses)[0]]
  const heard: unknown[] = []
  await there.subscribe('channel', (message: unknown) => {
    heard.push(message)
  })
  await context.until(async () => assert.deepEqual(await context.server.pubsub('NUMSUB', 'channel'), ['channel', 1]))
  for (let n = 0; n < 5; n++) await here.publish('channel', { n })
  await context.until(() =>
    assert.deepEqual(
      heard,
      Array.from({ length: 5 }, (_, n) => ({ n })),
    ),
  )
  for (const bus of buses) await bus.disconnect()
}

export async function mqemitterRedis(context: Context): Promise<void> {
  const { default: makeEmitter } = (await import('mqemitter-redis')) as unknown as {
    default: (options: object) => Emitter
  }
  const emitter = makeEmitter({ pubConn: context.client(), subConn: context.client() })
  const heard: unknown[] = []
  await new Promise<void>((resolve, reject) =>
    emitter.on(
      'hello/+',
      (message, done) => {
        heard.push(message)
        done()
      },
      (error?: Error) => (error ? reject(error) : resolve()),
    ),
  )
  for (let n = 0; n < 5; n++)
    await new Promise<void>((resolve) => emitter.emit({ topic: 'hello/x', n }, () => resolve()))
  await context.until(() => assert.equal(heard.length, 5))
  assert.deepEqual(
    heard.map((message) => (message as Message).n),
    [0, 1, 2, 3, 4],
  )
  await new Promise<void>((resolve) => emitter.close(() => resolve()))
}

interface Emitter {
  on(topic: string, listener: (message: unknown, done: () => void) => void, done: (error?: Error) => void): void
  emit(message: object, done: () => void): void
  close(done: () => void): void
}

export async function resumableStream(context: Context): Promise<void> {
  const { createResumableStreamContext } = await import('resumable-stream/ioredis')
  const waits: Promise<unknown>[] = []
  const streams = createResumableStreamContext({
    waitUntil: (promise) => void waits.push(promise),
    publisher: context.client() as never,
    subscriber: context.client() as never,
  })
  const chunks = Array.from({ length: 10 }, (_, n) => `chunk ${n}\n`)
  let push!: ReadableStreamDefaultController<string>
  const source = () =>
    new ReadableStream<string>({
      start: (controller) => {
        push = controller
      },
    })
  const first = await streams.resumableStream('id', source)
  const read = async (stream: ReadableStream<string>) => {
    let text = ''
    for await (const chunk of stream) text += chunk
    return text
  }
  const firstText = read(first as ReadableStream<string>)
  for (const chunk of chunks.slice(0, 5)) push.enqueue(chunk)
  await new Promise((resolve) => setTimeout(resolve, 20))
  const second = await streams.resumeExistingStream('id')
  const secondText = read(second as ReadableStream<string>)
  for (const chunk of chunks.slice(5)) push.enqueue(chunk)
  push.close()
  assert.equal(await firstText, chunks.join(''))
  assert.equal(await secondText, chunks.join(''))
  await Promise.all(waits)
  await context.server.flushdb()
}
