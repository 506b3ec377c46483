import { parseArgs } from 'node:util'
import { startRedis } from '@cenote/test-support'
import type { RedisOptions } from 'ioredis'
import type { ClientName } from '../harness/context.js'
import { runDifferential } from './run.js'

/** `npm run compat -- --differential [--commands 20000] [--protocol 3] [--seed 1] [--client cenote]` */
export async function differentialMain(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      differential: { type: 'boolean' },
      commands: { type: 'string', default: '20000' },
      protocol: { type: 'string', multiple: true, default: ['2', '3'] },
      seed: { type: 'string', default: '1' },
      client: { type: 'string', default: 'cenote' },
      limit: { type: 'string', default: '20' },
      options: { type: 'string', default: '{}' },
    },
  })
  let failed = false
  for (const protocol of values.protocol.map(Number)) {
    await using server = await startRedis()
    const start = performance.now()
    const result = await runDifferential({
      port: server.port,
      protocol: protocol as 2 | 3,
      commands: Number(values.commands),
      seed: Number(values.seed),
      client: values.client as ClientName,
      limit: Number(values.limit),
      clientOptions: JSON.parse(values.options) as RedisOptions,
    })
    for (const difference of result.differences) process.stdout.write(`${difference}\n`)
    const seconds = ((performance.now() - start) / 1000).toFixed(1)
    process.stdout.write(
      `RESP${protocol}: ${result.commands} commands (${result.names.size} different ones), seed ${values.seed}, ` +
        `${result.differences.length} differences (${seconds} s)\n`,
    )
    failed ||= result.differences.length > 0
  }
  return failed ? 1 : 0
}
