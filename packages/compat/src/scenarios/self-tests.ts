import { Redis } from 'ioredis'
import type { Context, Scenario } from '../harness/context.js'

/** What a faulty client or library would leave behind; the harness has to see each of them. */
const faults: Readonly<Record<string, (context: Context) => Promise<void>>> = {
  'a connection': async (context) => {
    new Redis({ host: '127.0.0.1', port: context.port, connectionName: 'forgotten' })
  },
  'a key': async (context) => {
    await context.client().set('forgotten', 1)
  },
  'a busy process': async () => {
    setInterval(() => undefined, 1_000)
  },
  'a rejection': async () => {
    void Promise.reject(new Error('nobody listens'))
  },
  'a wrong result': async () => {
    throw new Error('expected 1, got 2')
  },
}

export const selfTests: readonly Scenario[] = Object.entries(faults).map(([library, run]) => ({
  library,
  load: async () => run,
}))
