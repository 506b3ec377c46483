import type { Command } from '../../connection/command.js'
import { CrossSlotError } from '../../errors.js'
import { keyPositions, slotKey } from '../../metadata/lookup.js'
import { slotOf } from './slot.js'

/** The slots of all keys of commands that have to run on one server. */
export function slotsOf(commands: readonly Command[]): ReadonlySet<number> {
  const slots = new Set<number>()
  for (const { spec, args } of commands) {
    const first = slotKey(spec, args)
    if (first !== undefined) slots.add(slotOf(first))
    for (const at of keyPositions(spec, args)) slots.add(slotOf(args[at]!))
  }
  return slots
}

/** A transaction runs on one server or not at all. */
export function refuseAcrossSlots(unit: readonly Command[]): CrossSlotError | undefined {
  const slots = slotsOf(unit)
  return slots.size > 1 ? new CrossSlotError(`The transaction of ${unit.length - 2} commands`, [...slots]) : undefined
}
