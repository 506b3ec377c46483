import type { Dispatcher } from 'undici'
import type { Operation, Phase } from '../operations.js'
import { causeOfError, causeOfStatus, TIMEOUT, WRONG_BODY } from './causes.js'

/** One kind of request, ready to be sent as often as wanted; users keep theirs between token changes. */
export interface RequestSpec {
  readonly method: 'GET' | 'POST'
  readonly path: string
  /** Flat name, value, name, value: the shape undici copies least. */
  readonly headers: string[]
  readonly body?: string
  /** The reply's body must contain this, else the call failed with `wrong body`: another user's reply is no success. */
  readonly expect?: string
  /** Keep the body of a success for `text()`. */
  readonly keepBody?: boolean
}

const ERROR_BODY_LIMIT = 4096

/**
 * One request from the moment it should have started until it is settled, exactly once.
 * It is undici's handler itself: no promise, no stream and no closure per request.
 */
export class Call implements Dispatcher.DispatchHandler {
  /** When the request should have started; latency counts from here. ms of `performance.now()`, as all times. */
  readonly intendedAt: number
  readonly operation: Operation
  readonly phase: Phase
  readonly spec: RequestSpec
  /** When the transport accepted it; its deadline counts from here. */
  queuedAt = 0
  /** When a socket was free for it; 0 when it never got one. */
  sentAt = 0
  settledAt = 0
  status = 0
  /** The server's own time from `Server-Timing: app;dur=`, -1 when it said nothing. */
  serverMs = -1
  /** Why it failed; undefined when it succeeded. */
  cause: string | undefined
  timedOut = false
  private controller: Dispatcher.DispatchController | undefined
  private body: Buffer | undefined
  private release: ((call: Call) => void) | undefined

  constructor(
    operation: Operation,
    phase: Phase,
    spec: RequestSpec,
    intendedAt: number,
    private readonly settled: (call: Call) => void,
  ) {
    this.operation = operation
    this.phase = phase
    this.spec = spec
    this.intendedAt = intendedAt
  }

  get ok(): boolean {
    return this.cause === undefined
  }

  get latencyMs(): number {
    return this.settledAt - this.intendedAt
  }

  text(): string {
    return this.body === undefined ? '' : this.body.toString('utf8')
  }

  /** `release` gives the socket back before the caller hears of the result. */
  begin(release: (call: Call) => void): void {
    this.sentAt = performance.now()
    this.release = release
  }

  /** Gives up on it. A call that is still dialling settles when the dial does. */
  expire(): void {
    this.timedOut = true
    this.controller?.abort(new Error('the load tester gave up waiting'))
  }

  /** Settles a call that never reached undici. */
  fail(cause: string): void {
    this.settle(cause)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller
    if (this.timedOut) controller.abort(new Error('the load tester gave up waiting'))
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    this.status = status
    const timing = headers['server-timing']
    if (typeof timing === 'string') this.serverMs = appDuration(timing)
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const failed = this.status >= 300
    if (!failed && this.spec.expect === undefined && this.spec.keepBody !== true) return
    if (failed && (this.body?.length ?? 0) > ERROR_BODY_LIMIT) return
    this.body = this.body === undefined ? chunk : Buffer.concat([this.body, chunk])
  }

  onResponseEnd(): void {
    this.settle(this.verdict())
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.settle(this.timedOut ? TIMEOUT : causeOfError(error))
  }

  private verdict(): string | undefined {
    if (this.status < 200 || this.status >= 300) return causeOfStatus(this.status)
    if (this.spec.expect !== undefined && !this.body?.includes(this.spec.expect)) return WRONG_BODY
    return undefined
  }

  private settle(cause: string | undefined): void {
    if (this.settledAt !== 0) return
    this.settledAt = performance.now()
    this.cause = cause
    this.controller = undefined
    this.release?.(this)
    this.settled(this)
  }
}

function appDuration(timing: string): number {
  const at = timing.indexOf('app;dur=')
  if (at < 0) return -1
  const ms = Number.parseFloat(timing.slice(at + 8))
  return ms >= 0 ? ms : -1
}
