import { afterEach } from 'vitest'
import { type LoadOptions, type Result, runScenario } from '../src/index.js'
import { FakeAuthServer } from './fake-auth-server.js'

const started: FakeAuthServer[] = []

afterEach(async () => {
  await Promise.all(started.splice(0).map((server) => server.stop()))
})

/** A fake service that is gone after the test. */
export async function fakeServer(): Promise<FakeAuthServer> {
  const server = await new FakeAuthServer().start()
  started.push(server)
  return server
}

/** A run of about a second; thresholds off unless given. */
export function quickRun(server: FakeAuthServer, options: Partial<LoadOptions> = {}): Promise<Result> {
  return runScenario({
    target: server.url,
    password: server.password,
    users: 20,
    durationMs: 800,
    rampMs: 0,
    thinkTimeMs: options.rate === undefined ? 20 : undefined,
    loginRate: 2000,
    timeoutMs: 5000,
    thresholds: { successRate: undefined, p95Ms: undefined, minRequests: undefined },
    ...options,
  })
}
