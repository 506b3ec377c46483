import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import type { Context } from '../harness/context.js'

/** The instrumentation patches the module as it is required, so it has to come before the client's class. */
export async function opentelemetryIoredis(context: Context): Promise<void> {
  const { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } = await import(
    '@opentelemetry/sdk-trace-base'
  )
  const { IORedisInstrumentation } = await import('@opentelemetry/instrumentation-ioredis')
  const exporter = new InMemorySpanExporter()
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  const instrumentation = new IORedisInstrumentation({ requireParentSpan: false })
  instrumentation.setTracerProvider(provider)
  // The module was loaded before: hand its exports to the patch, as the loader hook would have done.
  const exports = createRequire(import.meta.url)('ioredis')
  const [definition] = (
    instrumentation as unknown as {
      init(): { patch(exports: unknown, version: string): unknown; unpatch(exports: unknown): void }[]
    }
  ).init()
  definition?.patch(exports, '6.0.0')
  try {
    const redis = context.client()
    // ioredis shows a command that waits in its offline queue twice.
    if (redis.status !== 'ready') await once(redis, 'ready')
    await redis.set('k', 'v')
    assert.equal(await redis.get('k'), 'v')
    await assert.rejects(redis.lpush('k', 'x'), /WRONGTYPE/)
    const results = await redis.pipeline().get('k').del('k').exec()
    assert.deepEqual(results, [
      [null, 'v'],
      [null, 1],
    ])
    await context.until(() => {
      const spans = exporter.getFinishedSpans().filter((span) => ['set', 'get', 'lpush', 'del'].includes(span.name))
      assert.deepEqual(spans.map((span) => span.name).sort(), ['del', 'get', 'get', 'lpush', 'set'])
      const attributes = spans.find((span) => span.name === 'set')?.attributes
      assert.equal(attributes?.['server.port'] ?? attributes?.['net.peer.port'], context.port)
      assert.equal(attributes?.['db.query.text'] ?? attributes?.['db.statement'], 'set k [1 other arguments]')
      assert.equal(spans.find((span) => span.name === 'lpush')?.status.code, 2)
    })
  } finally {
    definition?.unpatch(exports)
    await provider.shutdown()
  }
}
