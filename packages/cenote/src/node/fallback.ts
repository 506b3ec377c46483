import type { FallbackClient } from '../config/options.js'
import { BINARY, type Command } from '../connection/command.js'
import { CenoteError } from '../errors.js'
import type { Counters } from '../observe/counters.js'

/** Why commands go to the fallback. */
export type FallbackReason = 'not-started' | 'breaker-open' | 'budget-exhausted'

/** Runs commands on the caller's own client while the pool cannot, and says when that begins and ends. */
export class Fallback {
  active: FallbackReason | undefined
  commands = 0

  constructor(
    private readonly client: FallbackClient,
    private readonly counters: Counters,
    private readonly onSwitch: (reason: FallbackReason | undefined) => void,
  ) {}

  run(command: Command, reason: FallbackReason): void {
    this.commands++
    this.switchTo(reason)
    command.attempts++
    command.script?.prepare(command, new Set())
    const { client } = this
    const args = [...command.args]
    const name = command.spec.name
    const binary = (command.flags & BINARY) !== 0 && client.callBuffer !== undefined
    let reply: Promise<unknown>
    try {
      reply = binary ? client.callBuffer!(name, ...args) : client.call(name, ...args)
    } catch (error) {
      reply = Promise.reject(error)
    }
    Promise.resolve(reply).then(
      (value) => {
        this.counters.ok++
        command.succeed(value)
      },
      (error: unknown) => {
        this.counters.onFailure(error instanceof CenoteError ? error.outcome : 'unknown')
        command.fail(error as Error)
      },
    )
  }

  /** The pool serves again. */
  end(): void {
    this.switchTo(undefined)
  }

  private switchTo(reason: FallbackReason | undefined): void {
    if (this.active === reason) return
    this.active = reason
    this.onSwitch(reason)
  }
}
