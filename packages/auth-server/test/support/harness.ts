import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RedisServer } from '@cenote/test-support'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import { createApp } from '../../src/app.js'
import { type Config, loadConfig } from '../../src/config.js'
import { type Keys, loadKeys } from '../../src/keys.js'
import type { RedisLike } from '../../src/redis/like.js'
import { SqliteAccountStore } from '../../src/store/sqlite.js'
import { type ClientFactory, cenoteClient } from './redis-client.js'

export const PASSWORD = 'a password nobody else has'

export interface Tokens {
  readonly accessToken: string
  readonly refreshToken: string
  readonly sessionId: string
  readonly expiresIn: number
}

/** The service in this process, without a listener, on a real Redis and its own data folder. */
export class Harness implements AsyncDisposable {
  readonly dataDir = mkdtempSync(join(tmpdir(), 'cenote-auth-'))
  readonly config: Config
  readonly keys: Keys
  readonly app: FastifyInstance
  readonly redis: RedisLike
  readonly log: string[] = []
  readonly #accounts: SqliteAccountStore

  constructor(server: RedisServer, env: Record<string, string> = {}, client: ClientFactory = cenoteClient) {
    this.config = loadConfig({
      DATA_DIR: this.dataDir,
      LOG_LEVEL: 'trace',
      CENOTE_AUTH_LOGIN_LIMIT_ADDRESS: '10000/60',
      CENOTE_AUTH_REGISTER_LIMIT_ADDRESS: '10000/60',
      ...env,
    })
    this.keys = loadKeys(this.config)
    this.redis = client(server.url, this.config.redisTimeoutMs)
    this.#accounts = new SqliteAccountStore(this.dataDir)
    this.app = createApp({
      config: this.config,
      keys: this.keys,
      redis: this.redis,
      accounts: this.#accounts,
      logStream: { write: (line) => void this.log.push(line) },
    })
  }

  post(url: string, body?: object, token?: string, remoteAddress = '127.0.0.1'): Promise<LightMyRequestResponse> {
    return this.app.inject({ method: 'POST', url, headers: bearer(token), payload: body, remoteAddress })
  }

  get(url: string, token?: string): Promise<LightMyRequestResponse> {
    return this.app.inject({ method: 'GET', url, headers: bearer(token) })
  }

  delete(url: string, token?: string): Promise<LightMyRequestResponse> {
    return this.app.inject({ method: 'DELETE', url, headers: bearer(token) })
  }

  async register(email: string): Promise<string> {
    const answer = await this.post('/auth/register', { email, password: PASSWORD })
    if (answer.statusCode !== 201) throw new Error(`register: ${answer.statusCode} ${answer.body}`)
    return answer.json<{ id: string }>().id
  }

  async login(email: string): Promise<Tokens> {
    const answer = await this.post('/auth/login', { email, password: PASSWORD })
    if (answer.statusCode !== 200) throw new Error(`login: ${answer.statusCode} ${answer.body}`)
    return answer.json<Tokens>()
  }

  refresh(refreshToken: string): Promise<LightMyRequestResponse> {
    return this.post('/auth/refresh', { refreshToken })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.app.close()
    await this.redis.close()
    this.#accounts.close()
    rmSync(this.dataDir, { recursive: true, force: true })
  }
}

function bearer(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` }
}
