import type { EventEmitter } from 'node:events'
import type { ResolvedOptions } from '../config/options.js'
import { type CenoteError, ClosedError } from '../errors.js'
import { nextTick } from '../timers.js'
import { protectedly } from './foreign.js'

/** Where a client is in its life; the words are ioredis'. */
export type PoolStatus = 'wait' | 'connecting' | 'connect' | 'ready' | 'monitoring' | 'close' | 'reconnecting' | 'end'

/** Libraries read `status`, and some write it. */
export interface StatusHolder extends EventEmitter {
  status: PoolStatus
}

interface Waiter {
  resolve(): void
  reject(error: Error): void
}

/**
 * Status and events in ioredis' order: the status changes at once, its event follows in the next tick. What this class
 * decides never rests on the public property, because it is writable.
 */
export class Lifecycle {
  state: PoolStatus = 'wait'
  /** How often connect() was called; part of what is traced. */
  epoch = 0
  private attempts = 0
  private waiters: Waiter[] = []

  /** @param giveUp ends the client, when `retryStrategy` says that nobody is to reconnect */
  constructor(
    private readonly holder: StatusHolder,
    private readonly options: Pick<ResolvedOptions, 'retryStrategy'>,
    private readonly giveUp: () => void,
  ) {}

  /** True while connect() makes no sense. */
  get connected(): boolean {
    return ['connecting', 'connect', 'ready', 'monitoring'].includes(this.state)
  }

  get ended(): boolean {
    return this.state === 'end'
  }

  /** Resolves when the client is ready, rejects when the attempt has failed. */
  whenReady(): Promise<void> {
    return new Promise((resolve, reject) => this.waiters.push({ resolve, reject }))
  }

  onConnecting(): void {
    if (!this.connected && this.state !== 'end') this.move('connecting')
  }

  /** connect() was called, possibly after the end. */
  begin(): void {
    this.epoch++
    this.move('connecting')
  }

  onReady(): void {
    this.onConnecting()
    this.attempts = 0
    this.move('connect')
    // The status is `connect` while its listeners run, as with ioredis.
    nextTick(() => {
      if (this.state !== 'connect') return
      this.move('ready')
      this.settle((waiter) => waiter.resolve())
    })
  }

  /** The connection was lost, or a dial failed while there was none. */
  onLost(error: CenoteError): void {
    if (this.state === 'end' || this.state === 'wait') return
    // A server that hangs up politely is no error, for ioredis' users: `close` tells of it.
    if (error.cause !== undefined) this.report(error)
    this.fall()
  }

  private fall(): void {
    this.move('close')
    this.rejectWaiters()
    const delay = this.askToRetry()
    // It may have ended the client itself.
    if (this.state !== 'close') return
    if (typeof delay === 'number') this.move('reconnecting', delay)
    else this.giveUp()
  }

  private askToRetry(): unknown {
    const { retryStrategy } = this.options
    if (typeof retryStrategy !== 'function') return undefined
    const attempt = ++this.attempts
    // One that throws has not decided anything, so we go on.
    let answer: unknown = 0
    protectedly(() => {
      answer = retryStrategy(attempt)
    })
    return answer
  }

  onDialFailed(error: CenoteError): void {
    this.report(error)
    if (this.state === 'connecting') this.fall()
  }

  end(): void {
    if (this.state === 'end') return
    if (this.state !== 'close') this.move('close')
    this.move('end')
    this.rejectWaiters()
  }

  /** An error without a listener is in the statistics; it must never take the process down. */
  report(error: CenoteError): void {
    nextTick(() => {
      if (this.holder.listenerCount('error') > 0) protectedly(() => this.holder.emit('error', error))
    })
  }

  private rejectWaiters(): void {
    this.settle((waiter) => waiter.reject(new ClosedError()))
  }

  private settle(how: (waiter: Waiter) => void): void {
    for (const waiter of this.waiters.splice(0)) how(waiter)
  }

  private move(status: PoolStatus, ...args: unknown[]): void {
    this.state = status
    this.holder.status = status
    nextTick(() => protectedly(() => this.holder.emit(status, ...args)))
  }
}
