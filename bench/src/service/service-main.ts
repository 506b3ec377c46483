import { mkdtempSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Account, type AccountStore, createApp, loadConfig, loadKeys } from '@cenote/auth-server'
import { guardFolder } from '@cenote/test-support'
import type { Target } from '../job.js'
import { redisLike } from './adapters.js'

/** What the measuring process may ask, and the answers. */
export type ServiceRequest = 'figures' | 'stop'
export type ServiceAnswer = { readonly url: string } | ServiceFigures

export interface ServiceFigures {
  /** CPU time of this process since its start, µs. */
  readonly cpuUs: number
  /** Replies sent so far. */
  readonly replies: number
}

/**
 * "correct horse battery staple" at argon2id's cheapest: logins only prepare what is measured, and at the cost that a
 * service must ask for, a thousand of them would take longer than the measurement.
 */
const PASSWORD_HASH = '$argon2id$v=19$m=8,t=1,p=1$atdwfWe3vPzheHrH+h+pPA$om0zlSrCgkO6MwXoMFDFrlZMFbq2q0yot9WRCfU7fhY'

/** Has an account for every address. */
const accounts: AccountStore = {
  create: () => {},
  findByEmail: (email): Account => ({ id: `id-${email}`, email, passwordHash: PASSWORD_HASH, createdAt: 0 }),
  upsertAll: () => 0,
  count: () => 0,
  ping: () => {},
  close: () => {},
}

const [client = '', target = ''] = process.argv.slice(2)
const dataDir = mkdtempSync(join(tmpdir(), 'cenote-bench-'))
guardFolder(dataDir)
const config = loadConfig({
  DATA_DIR: dataDir,
  LOG_LEVEL: 'warn',
  CENOTE_AUTH_HASH_QUEUE: '10000',
  CENOTE_AUTH_LOGIN_LIMIT_ADDRESS: '1000000/900',
})
const redis = await redisLike(client, JSON.parse(target) as Target)
const app = createApp({ config, keys: loadKeys(config), redis, accounts })
let replies = 0
app.addHook('onResponse', (_request, _reply, done) => {
  replies++
  done()
})
await app.listen({ host: '127.0.0.1', port: 0, listenTextResolver: () => 'listening' })

const send = (answer: ServiceAnswer): void => void process.send?.(answer)

async function stop(): Promise<void> {
  app.server.closeAllConnections()
  await app.close()
  await redis.close()
  rmSync(dataDir, { recursive: true, force: true })
  process.exit(0)
}

process.on('message', (request: ServiceRequest) => {
  if (request === 'stop') void stop()
  else {
    const { user, system } = process.cpuUsage()
    send({ cpuUs: user + system, replies })
  }
})
process.on('disconnect', () => process.exit(1))
send({ url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}` })
