import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Seen {
  readonly route: string
  readonly user: string
}

interface Session {
  readonly user: string
  refreshToken: string
  alive: boolean
}

/**
 * Speaks the authentication service's API with everything a load tester must notice under the test's control.
 * It keeps its own count of what arrived, to compare the report with.
 */
export class FakeAuthServer {
  readonly seen: Seen[] = []
  readonly sessions = new Map<string, Session>()
  /** Answers instead of the service when it returns true. */
  before: ((request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>) | undefined
  password = 'correct horse'
  delayMs = 0
  /** Whose data `/auth/me` shows; the caller's if undefined. */
  answerFor: string | undefined
  pool = { waiters: 0, utilization: 0.1, acquireTimeouts: 0 }
  sockets = 0
  private server: Server | undefined
  private nextId = 1
  private port = 0

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  async start(): Promise<this> {
    this.server = createServer((request, response) => {
      void this.answer(request, response)
    })
    this.server.on('connection', () => {
      this.sockets++
    })
    await new Promise<void>((resolve) => this.server!.listen(this.port, '127.0.0.1', resolve))
    this.port = (this.server.address() as AddressInfo).port
    return this
  }

  /** Cuts every connection and stops listening; `start()` comes back on the same port. */
  async stop(): Promise<void> {
    const server = this.server
    this.server = undefined
    if (server === undefined) return
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    server.closeAllConnections()
    await closed
  }

  count(route: string): number {
    return this.seen.filter((seen) => seen.route === route).length
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const started = performance.now()
    const path = request.url ?? ''
    if (path.startsWith('/health')) return this.health(path, response)
    const token = (request.headers.authorization ?? '').replace('Bearer ', '')
    this.seen.push({ route: path, user: this.sessions.get(token)?.user ?? '' })
    if (this.before !== undefined && (await this.before(request, response))) return
    if (this.delayMs > 0) await sleep(this.delayMs)
    const reply = (status: number, body?: unknown) => {
      response.setHeader('server-timing', `app;dur=${(performance.now() - started).toFixed(2)}, redis;dur=0.10`)
      send(response, status, body)
    }
    const routes: Record<string, () => void | Promise<void>> = {
      '/auth/login': async () => {
        const { email, password } = JSON.parse(await bodyOf(request)) as { email: string; password: string }
        if (password !== this.password) reply(401, problem(401, 'invalid-credentials'))
        else reply(200, this.issue(email))
      },
      '/auth/refresh': async () => {
        const { refreshToken } = JSON.parse(await bodyOf(request)) as { refreshToken: string }
        const session = [...this.sessions.values()].find((own) => own.refreshToken === refreshToken && own.alive)
        if (session === undefined) reply(401, problem(401, 'refresh-token-reused'))
        else {
          session.refreshToken = 'used'
          reply(200, this.issue(session.user))
        }
      },
      '/auth/me': () => {
        const session = this.sessions.get(token)
        if (!session?.alive) reply(401, problem(401, 'session-ended'))
        else reply(200, { id: this.answerFor ?? session.user })
      },
      '/auth/sessions': () => {
        if (!this.sessions.get(token)?.alive) reply(401, problem(401, 'session-ended'))
        else reply(200, { sessions: [{ id: 'one', current: true }] })
      },
      '/auth/logout': () => {
        const session = this.sessions.get(token)
        if (session) session.alive = false
        reply(204)
      },
    }
    const route = routes[path]
    if (route === undefined) reply(404, problem(404, 'not-found'))
    else await route()
  }

  private issue(user: string): object {
    const now = Math.floor(Date.now() / 1000)
    const claims = Buffer.from(JSON.stringify({ sub: user, iat: now, exp: now + 900 })).toString('base64url')
    const accessToken = `e30.${claims}.${this.nextId++}`
    const refreshToken = `refresh-${this.nextId++}`
    this.sessions.set(accessToken, { user, refreshToken, alive: true })
    return { accessToken, refreshToken, expiresIn: 900 }
  }

  private health(path: string, response: ServerResponse): void {
    const connections = { total: 3, lanes: 1, idle: 1, leased: 1, dialing: 0, draining: 0, min: 1, max: 20 }
    if (path === '/health') send(response, 200, { status: 'ok' })
    else if (path !== '/health/redis') send(response, 404, problem(404, 'not-found'))
    else send(response, 200, { status: 'healthy', latencyMs: 0.2, connections, ...this.pool })
  }
}

export function send(response: ServerResponse, status: number, body?: unknown): void {
  const text = body === undefined ? '' : JSON.stringify(body)
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
  response.end(text)
}

export function problem(status: number, code: string, more: object = {}): object {
  return { type: `urn:cenote:auth:${code}`, title: code, status, ...more }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += chunk
  return text
}
