import { spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { root, run, SetUpError } from './progress.mjs'

const main = join(root, 'packages/auth-server/dist/main.js')
const seeder = join(root, 'packages/auth-server/dist/seed.js')
const startTimeoutMs = 30_000

/** What the service needs as in production, with a key pair made for the occasion. */
export function serviceEnvironment({ redisUrl, dataDir, workers }) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const env = { ...process.env }
  for (const name of Object.keys(env)) {
    if (name.startsWith('REDIS_') || name.startsWith('CENOTE_AUTH_')) delete env[name]
  }
  return {
    ...env,
    DEPLOYMENT_ENV: 'production',
    NODE_ENV: 'production',
    HOST: '127.0.0.1',
    PORT: '0',
    WORKERS: String(workers),
    LOG_LEVEL: 'warn',
    DATA_DIR: dataDir,
    REDIS_URL: redisUrl,
    CENOTE_AUTH_PRIVATE_KEY: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    CENOTE_AUTH_ALLOW_SEED: 'true',
    // All load comes from one address: with the usual 100 logins per address in 15 minutes there would be none.
    CENOTE_AUTH_LOGIN_LIMIT_ADDRESS: '1000000/900',
    CENOTE_AUTH_LOGIN_LIMIT_ACCOUNT: '1000/900',
  }
}

const exited = (child) =>
  new Promise((resolve) => {
    child.once('error', () => resolve(1))
    child.once('exit', (code) => resolve(code ?? 1))
  })

/** Starts a process group of its own that does not outlive this process. */
export function spawnGuarded(args, options, guardGroup) {
  const child = spawn(process.execPath, args, { cwd: root, detached: true, ...options })
  const unguard = child.pid === undefined ? () => {} : guardGroup(child.pid)
  const ended = exited(child).then((status) => {
    unguard()
    return status
  })
  return { child, ended }
}

/** Accounts for the load tester's users. */
export async function seedAccounts(count, env) {
  const status = await run(process.execPath, [seeder, '--accounts', String(count)], { env, quiet: true })
  if (status !== 0) throw new SetUpError(`The accounts for the load test could not be made (exit status ${status})`)
}

/** The authentication service with its workers. */
export class Service {
  url = ''
  #child
  #ended
  #log = []
  #hasEnded = false

  async start(env, guardGroup) {
    const { child, ended } = spawnGuarded([main], { env, stdio: ['ignore', 'pipe', 'pipe'] }, guardGroup)
    this.#child = child
    this.#ended = ended.then((status) => {
      this.#hasEnded = true
      return status
    })
    let listening
    const url = new Promise((resolve) => {
      listening = resolve
    })
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        const found = /listening on (http:\/\/\S+)/.exec(line)?.[1]
        if (found) listening(found)
        else this.#log = [...this.#log, line].slice(-200)
      })
    }
    let timer
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, startTimeoutMs)
    })
    const first = await Promise.race([url, late, this.#ended])
    clearTimeout(timer)
    if (typeof first !== 'string') throw new SetUpError(`The service did not start.\n${this.lastWords()}`)
    this.url = first
  }

  lastWords(lines = 20) {
    return this.#log.slice(-lines).join('\n')
  }

  /** Settles when the service has ended by itself or by `stop()`. */
  get ended() {
    return this.#ended
  }

  /** Lets the workers drain; ends them for good when that takes longer than `patienceMs`. */
  async stop(patienceMs) {
    if (this.#child === undefined || this.#hasEnded) return
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => {
      try {
        process.kill(-this.#child.pid, 'SIGKILL')
      } catch {}
    }, patienceMs)
    await this.#ended
    clearTimeout(timer)
  }
}
