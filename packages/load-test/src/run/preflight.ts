import { Client } from 'undici'
import { causeOfError } from '../http/causes.js'

/** The service cannot be tested: not there, or nobody can log in. */
export class TargetError extends Error {
  override readonly name = 'TargetError'
}

const TIMEOUT_MS = 5000

/** One request before any user is made: a wrong address should cost a second, not a run. @throws TargetError */
export async function preflight(origin: string): Promise<void> {
  const client = new Client(origin, { headersTimeout: TIMEOUT_MS, connect: { timeout: TIMEOUT_MS } })
  try {
    const response = await client.request({ method: 'GET', path: '/health', reset: true })
    await response.body.dump()
    if (response.statusCode === 404) throw new TargetError(`${origin} has no /health: is this the auth service?`)
  } catch (error) {
    if (error instanceof TargetError) throw error
    throw new TargetError(`no answer from ${origin} (${causeOfError(error)}): is the auth service running there?`)
  } finally {
    await client.destroy()
  }
}
