import { type Command, INTERNAL, SETTLED, wholeOf } from '../connection/command.js'
import type { Leftovers } from '../connection/connection.js'
import type { CenoteError } from '../errors.js'
import type { Judge } from './verdict.js'

/** Settles internal commands that were lost with their connection. */
export function failAll(leftovers: Leftovers, error: CenoteError): void {
  for (const command of listed(leftovers)) command.fail(error)
}

/** For a connection that was one borrower's: what was written may have run, nothing is sent again. */
export function loseAll(leftovers: Leftovers, error: CenoteError, unsent: CenoteError, judge: Judge): void {
  for (const command of toArray(leftovers.written)) {
    if ((command.flags & INTERNAL) !== 0) command.fail(error)
    else judge.loseWritten(command, error)
  }
  for (const command of toArray(leftovers.unsent)) {
    if ((command.flags & INTERNAL) !== 0) command.fail(error)
    else judge.neverSent(command, unsent)
  }
}

/** Commands that live on after their connection, in order, each once, transactions whole; settles the others. */
export function survivorsOf(leftovers: Leftovers, error: CenoteError, judge: Judge): Command[] {
  const survivors = new Set<Command>()
  for (const command of listed(leftovers)) {
    if (command.stage === SETTLED || survivors.has(command)) continue
    if (judge.survivesLoss(command, error)) for (const member of wholeOf(command)) survivors.add(member)
  }
  return [...survivors]
}

const listed = ({ written, unsent }: Leftovers): Command[] => [...toArray(written), ...toArray(unsent)]

export function toArray(first: Command | undefined): Command[] {
  const commands: Command[] = []
  for (let command = first; command !== undefined; command = command.next) commands.push(command)
  return commands
}
