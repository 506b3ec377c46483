import assert from 'node:assert/strict'
import { Queue as Queue6, QueueEvents as QueueEvents6, Worker as Worker6 } from 'bullmq'
import type { Redis, RedisOptions } from 'ioredis'
import type { Context } from '../harness/context.js'

const REPEAT: RedisOptions = { maxRetriesPerRequest: null }

type BullMq = { Queue: typeof Queue6; Worker: typeof Worker6; QueueEvents: typeof QueueEvents6 }

export const bullmq6 = (context: Context) =>
  bullmq(context, { Queue: Queue6, Worker: Worker6, QueueEvents: QueueEvents6 })
export async function bullmq5(context: Context): Promise<void> {
  await bullmq(context, (await import('bullmq5')) as unknown as BullMq)
}

async function bullmq(context: Context, { Queue, Worker, QueueEvents }: BullMq): Promise<void> {
  const connection = context.client(REPEAT) as never
  const queue = new Queue('mail', { connection })
  const events = new QueueEvents('mail', { connection })
  await events.waitUntilReady()
  const done: string[] = []
  const worker = new Worker(
    'mail',
    async (job) => {
      if (job.data.fail && job.attemptsMade === 0) throw new Error('first attempt fails')
      done.push(job.name)
      await job.updateProgress(50)
      return { upper: String(job.data.text).toUpperCase(), bytes: '€ü' }
    },
    { connection, concurrency: 5 },
  )
  await worker.waitUntilReady()

  const jobs = await queue.addBulk(Array.from({ length: 20 }, (_, i) => ({ name: `n${i}`, data: { text: `t${i}` } })))
  const results = await Promise.all(jobs.map((job) => job.waitUntilFinished(events, 10_000)))
  assert.deepEqual(
    results,
    jobs.map((_, i) => ({ upper: `T${i}`, bytes: '€ü' })),
  )

  const retried = await queue.add('retry', { text: 'x', fail: true }, { attempts: 2, backoff: 10 })
  assert.deepEqual(await retried.waitUntilFinished(events, 10_000), { upper: 'X', bytes: '€ü' })
  const delayed = await queue.add('late', { text: 'l' }, { delay: 50 })
  await delayed.waitUntilFinished(events, 10_000)
  const { processedOn = 0, timestamp } = (await queue.getJob(delayed.id as string)) ?? delayed
  assert.ok(processedOn - timestamp >= 50, 'it was held back')

  // Workers are counted by the names of their connections on the server.
  assert.equal((await queue.getWorkers()).length, 1)
  assert.equal(done.length, 22)
  const { completed, failed, active, waiting } = await queue.getJobCounts()
  assert.deepEqual({ completed, failed, active, waiting }, { completed: 22, failed: 0, active: 0, waiting: 0 })
  assert.equal((await queue.getJob(jobs[3]?.id as string))?.progress, 50)

  await worker.close()
  await events.close()
  await queue.obliterate({ force: true })
  await queue.close()
  assert.equal((connection as Redis).status, 'ready', 'a connection that was handed in stays open')
}

export async function bull4(context: Context): Promise<void> {
  const { default: Bull } = await import('bull')
  const queue = new Bull('mail', {
    createClient: () => context.client({ ...REPEAT, enableReadyCheck: false }) as never,
  })
  await queue.isReady()
  queue.process(3, async (job) => `${job.data.text}!`)
  const jobs = await Promise.all(Array.from({ length: 10 }, (_, i) => queue.add({ text: `t${i}` })))
  assert.deepEqual(
    await Promise.all(jobs.map((job) => job.finished())),
    jobs.map((_, i) => `t${i}!`),
  )
  const late = await queue.add({ text: 'late' }, { delay: 50 })
  assert.equal(await late.finished(), 'late!')
  assert.equal((await queue.getJobCounts()).completed, 11)
  await queue.obliterate({ force: true })
  await queue.close()
}

export async function bullBoard(context: Context): Promise<void> {
  const { BullMQAdapter } = await import('@bull-board/api/bullMQAdapter')
  const queue = new Queue6('board', { connection: context.client(REPEAT) as never })
  await queue.add('a', { n: 1 })
  const adapter = new BullMQAdapter(queue as never)
  const info = await adapter.getRedisInfo()
  assert.match(String(info), /redis_version:/)
  const counts = await adapter.getJobCounts()
  assert.equal(counts.waiting, 1)
  const [job] = await adapter.getJobs(['waiting'], 0, 10)
  assert.deepEqual(job?.toJSON().data, { n: 1 })
  await queue.obliterate({ force: true })
  await queue.close()
}

export async function nodeResque(context: Context): Promise<void> {
  const { Queue, Worker } = await import('node-resque')
  const redis = context.client()
  const connection = { redis: redis as never, namespace: 'resque' }
  const jobs = { add: { perform: async (a: number, b: number) => a + b } }
  const queue = new Queue({ connection }, jobs)
  await queue.connect()
  const worker = new Worker({ connection, queues: ['math'], timeout: 10 }, jobs)
  const results: unknown[] = []
  worker.on('success', (_queue, _job, result) => results.push(result))
  await worker.connect()
  for (let i = 0; i < 10; i++) await queue.enqueue('math', 'add', [i, 1])
  assert.equal(await queue.length('math'), 10)
  await worker.start()
  await context.until(() => assert.equal(results.length, 10))
  // The counters are written in a WATCH transaction; a null from EXEC drops them silently.
  await context.until(async () => assert.equal((await queue.stats()).processed, '10'))
  assert.deepEqual(
    results,
    Array.from({ length: 10 }, (_, i) => i + 1),
  )
  await worker.end()
  await queue.end()
  await context.server.flushdb()
}

export async function beeQueue(context: Context): Promise<void> {
  const { default: Queue } = await import('bee-queue')
  const queue = new Queue('bee', {
    redis: context.client() as never,
    isWorker: true,
    getEvents: false,
    sendEvents: false,
  })
  await queue.ready()
  const results: number[] = []
  queue.process(async (job) => {
    results.push(job.data.x * 2)
    return job.data.x * 2
  })
  for (let x = 0; x < 5; x++) await queue.createJob({ x }).save()
  await context.until(() => assert.deepEqual([...results].sort(), [0, 2, 4, 6, 8]))
  await queue.close()
  await context.server.flushdb()
}
