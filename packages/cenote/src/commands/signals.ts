import { type Command, SETTLED, whenSettled } from '../connection/command.js'

type Listening = Set<Command> & { stop?: () => void }

/** Many commands may share a signal; each signal gets one listener, for as long as any of them is unsettled. */
export class SignalListeners {
  private readonly waiting = new WeakMap<AbortSignal, Listening>()

  constructor(private readonly cancel: (command: Command, reason: unknown) => void) {}

  add(command: Command, signal: AbortSignal): void {
    if (command.stage === SETTLED) return
    const commands = this.waiting.get(signal) ?? this.listen(signal)
    commands.add(command)
    whenSettled(command, () => {
      commands.delete(command)
      if (commands.size === 0) this.waiting.get(signal)?.stop?.()
    })
  }

  private listen(signal: AbortSignal): Listening {
    const commands: Listening = new Set<Command>()
    const onAbort = () => {
      for (const command of [...commands]) this.cancel(command, signal.reason)
    }
    commands.stop = () => {
      signal.removeEventListener('abort', onAbort)
      this.waiting.delete(signal)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    this.waiting.set(signal, commands)
    return commands
  }
}
