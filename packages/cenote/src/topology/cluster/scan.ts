import { BINARY, Command, IDEMPOTENT, promiseOf } from '../../connection/command.js'
import { ConfigError } from '../../errors.js'
import { decodeCursor, encodeCursor, type ScanState, serverMark, toRanges, toSlots } from './scan-cursor.js'
import type { Server } from './servers.js'
import { SLOTS } from './slot.js'

/** One step of SCAN over the whole cluster: what is to be sent where. */
export interface ScanStep {
  readonly command: Command
  readonly on: Server
}

/**
 * Walks from server to server with one cursor. Whatever slot changes its server meanwhile is walked through there again:
 * an element that is in the cluster from the first to the last step is returned, as SCAN promises it, some more than once.
 * @param owners by slot
 * @returns the step; undefined when no server is known. A cursor of somebody else fails the command.
 */
export function scanStep(command: Command, owners: readonly (Server | undefined)[]): ScanStep | undefined {
  const given = String(command.args[0])
  const state = given === '0' ? undefined : decodeCursor(given)
  if (given !== '0' && state === undefined) {
    command.fail(new ConfigError('SCAN on a cluster takes the cursor that the last call returned, or 0 to begin'))
    return undefined
  }
  const begun = goOn(state, owners)
  if (begun === undefined) return undefined
  const { on, walk } = begun
  const part = new Command(
    command.spec,
    [String(walk.cursor), ...command.args.slice(1)],
    (command.flags & BINARY) | IDEMPOTENT,
  )
  part.timeoutMs = command.timeoutMs
  promiseOf(part).then(
    (reply) => {
      const [cursor, found] = reply as [unknown, unknown]
      const next = nextState(walk, BigInt(String(cursor)), on, owners)
      const text = next === undefined ? '0' : encodeCursor(next)
      command.succeed([Buffer.isBuffer(cursor) ? Buffer.from(text) : text, found])
    },
    (error: Error) => command.fail(error),
  )
  return { command: part, on }
}

/** The walk to go on with: the same, or one from the start where its server has lost what it was about. */
function goOn(
  state: ScanState | undefined,
  owners: readonly (Server | undefined)[],
): { on: Server; walk: ScanState } | undefined {
  const done = state?.done ?? []
  const first = state?.slots[0]?.[0]
  const on = first === undefined ? undefined : owners[first]
  if (state !== undefined && on !== undefined && serverMark(on.key) === state.server) return { on, walk: state }
  const seen = toSlots(done)
  const start = owners.findIndex((owner, slot) => owner !== undefined && !seen.has(slot))
  const next = owners[start]
  if (next === undefined) return undefined
  return { on: next, walk: { server: serverMark(next.key), cursor: 0n, slots: slotsOf(next, owners), done } }
}

/** @returns undefined when every slot that has a server was seen */
function nextState(
  walk: ScanState,
  cursor: bigint,
  on: Server,
  owners: readonly (Server | undefined)[],
): ScanState | undefined {
  if (cursor !== 0n) return { ...walk, cursor }
  const seen = toSlots(walk.done)
  for (const slot of toSlots(walk.slots)) if (owners[slot] === on) seen.add(slot)
  const done = toRanges([...seen].sort((a, b) => a - b))
  const start = owners.findIndex((owner, slot) => owner !== undefined && !seen.has(slot))
  const next = owners[start]
  if (next === undefined) return undefined
  return { server: serverMark(next.key), cursor: 0n, slots: slotsOf(next, owners), done }
}

function slotsOf(server: Server, owners: readonly (Server | undefined)[]): ScanState['slots'] {
  const slots: number[] = []
  for (let slot = 0; slot < SLOTS; slot++) if (owners[slot] === server) slots.push(slot)
  return toRanges(slots)
}
