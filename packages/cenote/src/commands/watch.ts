import { AsyncLocalStorage } from 'node:async_hooks'
import type { Command } from '../connection/command.js'
import { nextTick, queueMicrotask } from '../timers.js'
import type { CommandArg } from '../wire/encode.js'
import { type WatchHome, WatchSession } from './watch-session.js'

/**
 * What an asynchronous context knows of a session. A context that was there when `watch()` was called, or sprang from
 * it, has the first kind: it may be the caller's or that of somebody who merely ran in the same turn. The second kind
 * is put only where the caller has been recognised.
 */
interface Mark {
  readonly session: WatchSession
  readonly certain: boolean
  readonly outer: Mark | undefined
}

/**
 * Finds out whose command a command is, for callers that WATCH on a shared object without saying who they are.
 *
 * `enterWith` inside `watch()` reaches the caller's continuation, because an `await` remembers the context of the moment
 * it begins. But it reaches everyone else who runs later in the same synchronous stretch as well: other callers started
 * by the same loop, or whoever called the caller. Three observations tell them apart:
 * - while the WATCH is unanswered and somebody awaits it, its caller cannot run: any command is a stranger's;
 * - what runs in the very turn of the answer, before anything else, is the caller, who is marked for certain then;
 * - once one context is marked for certain, all merely suspected ones are strangers'.
 */
export class WatchRegistry {
  /** Costs on every asynchronous step of the process while it is enabled. */
  private readonly storage = new AsyncLocalStorage<Mark | undefined>()
  private readonly open = new Set<WatchSession>()
  /** Broken sessions whose callers may still come with their EXEC. */
  private ghosts = 0
  private readonly buried = new FinalizationRegistry<undefined>(() => {
    this.ghosts--
    this.rest()
  })
  private resuming: WatchSession | undefined
  private active = false

  /** @param onActivity told when commands begin, or cease, to be a matter of {@link current} */
  constructor(
    private readonly home: WatchHome,
    private readonly onActivity: (active: boolean) => void,
  ) {}

  /** The session of the running caller, also when it is broken; undefined for everybody else. */
  current(): WatchSession | undefined {
    const { storage, resuming } = this
    if (resuming !== undefined) return this.isCertain(resuming) ? resuming : this.claim(resuming)
    const mark = storage.getStore()
    if (mark === undefined) return undefined
    const { session } = mark
    if (session.state === 'over') return undefined
    if (mark.certain) return session
    if (session.claimed || (!session.answered && session.observed)) {
      storage.enterWith(mark.outer)
      return undefined
    }
    return session.answered ? this.claim(session) : session
  }

  private isCertain(session: WatchSession): boolean {
    const mark = this.storage.getStore()
    return mark?.certain === true && mark.session === session
  }

  private claim(session: WatchSession): WatchSession {
    session.claimed = true
    this.storage.enterWith({ session, certain: true, outer: undefined })
    return session
  }

  /** Sends WATCH, or the MULTI of `multi({ pipeline: false })`, for the running caller. */
  begin(command: Command, promise: Promise<unknown>, hasCallback: boolean): void {
    const isWatch = command.spec.name === 'watch'
    const suspected = this.storage.getStore()
    let session = this.mayBeAnother(suspected) ? undefined : this.current()
    if (session?.state === 'broken') session = undefined
    if (session === undefined) {
      const known = this.mayBeAnother(suspected) && isWatch ? suspected!.session.keys : []
      session = this.start(command, known)
      observe(promise, session)
      if (hasCallback) session.observed = true
    }
    if (isWatch) for (const key of command.args) session.keys.push(key)
    session.send(command)
  }

  /**
   * The caller of a session that nobody claimed may be back with a second WATCH, or this is a stranger. A session of its
   * own that also watches the keys of the first is right for the one and harmless for the other.
   */
  private mayBeAnother(mark: Mark | undefined): boolean {
    if (mark === undefined || mark.certain || this.resuming !== undefined) return false
    const { session } = mark
    return session.state === 'open' && session.answered && !session.claimed
  }

  private start(command: Command, known: readonly CommandArg[]): WatchSession {
    const session = new WatchSession(this.home, command, (closed) => this.onClosed(closed))
    for (const key of known) (command.args as CommandArg[]).push(key)
    this.open.add(session)
    this.wake()
    const { storage } = this
    storage.enterWith({ session, certain: false, outer: unfinished(storage.getStore()) })
    command.onSettled = () => this.onAnswered(session)
    return session
  }

  /** Runs before the caller's continuation, which is already in the queue of microtasks. */
  private onAnswered(session: WatchSession): void {
    if (session.answered) return
    session.answered = true
    if (session.state !== 'open') return
    this.resuming = session
    // The next tick scheduled from a microtask runs when that queue is empty: all that the answer set off has run.
    queueMicrotask(() =>
      nextTick(() => {
        if (this.resuming === session) this.resuming = undefined
      }),
    )
  }

  close(): void {
    for (const session of this.open) session.end()
  }

  private onClosed(session: WatchSession): void {
    this.open.delete(session)
    if (session.state === 'broken') {
      this.ghosts++
      this.buried.register(session, undefined)
    }
    this.rest()
  }

  private wake(): void {
    if (this.active) return
    this.active = true
    this.onActivity(true)
  }

  private rest(): void {
    if (!this.active || this.open.size > 0 || this.ghosts > 0) return
    this.active = false
    this.onActivity(false)
    this.storage.disable()
  }
}

/** Marks of finished sessions are left behind, or a caller's loop would string them together for ever. */
function unfinished(mark: Mark | undefined): Mark | undefined {
  let found = mark
  while (found?.session.state === 'over') found = found.outer
  return found
}

/** Notices `await`, `then` and being returned from an async function, all of which read one of these properties. */
function observe(promise: Promise<unknown>, session: WatchSession): void {
  const then = Promise.prototype.then
  Object.defineProperties(promise, {
    constructor: {
      get() {
        session.observed = true
        return Promise
      },
    },
    // biome-ignore lint/suspicious/noThenProperty: it is a promise; reading `then` is what is to be noticed
    then: {
      get() {
        session.observed = true
        return then
      },
    },
  })
}
