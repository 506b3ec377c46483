import { type Command, SETTLED } from '../connection/command.js'
import type { Connection } from '../connection/connection.js'
import type { Judge } from './verdict.js'

/**
 * Settles what is due on a connection. Most ticks return at the first comparison: the queue is walked only when its
 * earliest deadline may have passed. Written commands stay behind as tombstones, so replies keep their order.
 */
export function expireDue(connection: Connection, now: number, judge: Judge): void {
  if (now < connection.nextDeadline) return
  const due: Command[] = []
  let next = Number.POSITIVE_INFINITY
  connection.forEach((command) => {
    if (command.stage === SETTLED) return
    if (command.deadline <= now) due.push(command)
    else if (command.deadline < next) next = command.deadline
  })
  connection.nextDeadline = next
  for (const command of due) judge.expire(command, connection, undefined)
}
