import { createHook } from 'node:async_hooks'
import { Socket } from 'node:net'
import { type RedisServer, runningServers } from './redis-server.js'

interface Traced<T> {
  readonly resource: T
  readonly origin: string
}

const UNKNOWN = 'unknown place'

/** Deep enough to see past the frames of the runtime, whatever the code under test has made of the usual depth. */
const STACK_DEPTH = 20

function originOf(skip: (...args: never[]) => unknown): string {
  const holder: { stack?: string } = {}
  const depth = Error.stackTraceLimit
  Error.stackTraceLimit = STACK_DEPTH
  Error.captureStackTrace(holder, skip)
  Error.stackTraceLimit = depth
  const own = (holder.stack ?? '').split('\n').slice(1)
  const isOurs = (line: string) => /[\\/]/.test(line) && !line.includes('node:') && !line.includes('node_modules')
  return own.find(isOurs)?.trim() ?? UNKNOWN
}

function counts(names: readonly string[]): Map<string, number> {
  const result = new Map<string, number>()
  for (const name of names) result.set(name, (result.get(name) ?? 0) + 1)
  return result
}

/**
 * Watches what is created from now on: client sockets, timers (unref'd ones too, which
 * `process.getActiveResourcesInfo()` cannot see), Redis servers, and whatever else holds the event loop.
 */
export class LeakWatch {
  readonly #before = counts(process.getActiveResourcesInfo())
  readonly #serversBefore = new Set<RedisServer>(runningServers())
  readonly #sockets: Traced<Socket>[] = []
  readonly #timers: Traced<NodeJS.Timeout>[] = []
  readonly #restore: (() => void)[] = []

  constructor() {
    this.#watchSockets()
    this.#watchTimers()
  }

  /**
   * Fails unless everything created since the watch began is gone, waiting up to `graceMs` for sockets that are just
   * closing. Ends the watch.
   * @throws Error that lists each leak with the place in the code that made it
   */
  async expectNone(graceMs = 1_000): Promise<void> {
    for (const restore of this.#restore.splice(0)) restore()
    const deadline = performance.now() + graceMs
    let found = this.#leaks()
    while (found.length > 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 5))
      found = this.#leaks()
    }
    if (found.length > 0) throw new Error(`Left behind:\n  ${found.join('\n  ')}`)
  }

  #leaks(): string[] {
    const leaks: string[] = []
    for (const { resource, origin } of this.#sockets) {
      if (!resource.destroyed) {
        const peer = resource.remotePort === undefined ? 'a path, or not connected' : `port ${resource.remotePort}`
        leaks.push(`socket to ${peer}, ${origin}`)
      }
    }
    for (const { resource, origin } of this.#timers) {
      if (!(resource as unknown as { _destroyed: boolean })._destroyed) leaks.push(`timer, ${origin}`)
    }
    for (const server of runningServers()) {
      if (!this.#serversBefore.has(server)) leaks.push(`redis-server on port ${server.port}`)
    }
    for (const [name, count] of counts(process.getActiveResourcesInfo())) {
      // Files and timers of the test runner come and go; the timers above are counted one by one.
      const foreign = name === 'Timeout' || name === 'Immediate' || name.startsWith('FS') || name === 'CloseReq'
      const more = count - (this.#before.get(name) ?? 0)
      if (!foreign && more > 0) leaks.push(`${more} × ${name}`)
    }
    return leaks
  }

  #watchSockets(): void {
    const prototype = Socket.prototype as unknown as { connect: (...args: unknown[]) => Socket }
    const original = prototype.connect
    const sockets = this.#sockets
    // TLS sockets and net.connect() come through here as well; the diagnostics channel misses half of them.
    prototype.connect = function watched(this: Socket, ...args) {
      sockets.push({ resource: this, origin: originOf(watched) })
      return original.apply(this, args)
    }
    this.#restore.push(() => {
      prototype.connect = original
    })
  }

  /** By the runtime's own hook: code may have taken `setTimeout` before the watch began, as the pool does. */
  #watchTimers(): void {
    const timers = this.#timers
    const hook = createHook({
      init: function init(_id, type, _trigger, resource) {
        if (type !== 'Timeout') return
        const origin = originOf(init)
        // Timers of the test runner and of other packages are none of ours.
        if (origin !== UNKNOWN) timers.push({ resource: resource as NodeJS.Timeout, origin })
      },
    })
    hook.enable()
    this.#restore.push(() => hook.disable())
  }
}

/** Begins a watch; for one test or one block: `const leaks = watchLeaks(); ...; await leaks.expectNone()`. */
export function watchLeaks(): LeakWatch {
  return new LeakWatch()
}

interface Hooks {
  readonly beforeEach: (run: () => void) => unknown
  readonly afterEach: (run: () => Promise<void>) => unknown
}

/**
 * Checks after each test of the file that nothing is left. Call it at the top, before other hooks:
 * `leakCheckEachTest({ beforeEach, afterEach })` (Vitest runs afterEach hooks in reverse, so it checks last).
 */
export function leakCheckEachTest({ beforeEach, afterEach }: Hooks, graceMs?: number): void {
  let watch: LeakWatch | undefined
  beforeEach(() => {
    watch = new LeakWatch()
  })
  afterEach(async () => {
    await watch?.expectNone(graceMs)
    watch = undefined
  })
}
