import { type Command, INTERNAL, SETTLED, TRANSACTION, WAITING } from '../connection/command.js'
import type { Leftovers } from '../connection/connection.js'
import type { CenoteError } from '../errors.js'
import type { Judge } from './verdict.js'

/** Commands that live on after their connection, in order, each once; settles the others. */
export function survivorsOf(leftovers: Leftovers, error: CenoteError, judge: Judge): Set<Command> {
  const survivors = new Set<Command>()
  for (const command of [...toArray(leftovers.written), ...toArray(leftovers.unsent)]) {
    if (command.stage === SETTLED || survivors.has(command)) continue
    if ((command.flags & INTERNAL) !== 0) command.fail(error)
    else if ((command.flags & TRANSACTION) !== 0) {
      const whole = command.batch?.recall()
      if (whole === undefined) judge.loseWritten(command, error)
      else for (const member of toArray(whole)) survivors.add(member)
    } else if (command.stage === WAITING || judge.survivesLoss(command, error)) {
      survivors.add(command)
    }
  }
  return survivors
}

function toArray(first: Command | undefined): Command[] {
  const commands: Command[] = []
  for (let command = first; command !== undefined; command = command.next) commands.push(command)
  return commands
}
