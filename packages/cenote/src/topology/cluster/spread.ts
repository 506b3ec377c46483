import { BINARY, Command, IDEMPOTENT, promiseOf } from '../../connection/command.js'
import { CenoteError, type CommandPart, CrossSlotError, PartialError } from '../../errors.js'
import { resolveSubcommand, type Spread } from '../../metadata/lookup.js'
import type { CommandArg } from '../../wire/encode.js'
import { slotsOf } from './across-slots.js'
import { combine } from './combine.js'
import type { Server } from './servers.js'
import { slotOf } from './slot.js'

/** A part of a command. Without a server it goes where its keys are. */
export interface Part {
  readonly command: Command
  readonly on: Server | undefined
}

/** The servers that there are. */
export interface Members {
  readonly primaries: readonly Server[]
  /** Primaries and replicas. */
  readonly everybody: readonly Server[]
  ownerOf(slot: number): Server | undefined
}

interface Share {
  readonly command: Command
  readonly on: Server | undefined
  /** Which keys of the whole it has, by their order; undefined for all of a server. */
  readonly places: readonly number[] | undefined
}

/** Commands that keep what they promise only on one server; its own words would come too late, and less clear. */
const WHOLE = new Set(['msetnx', 'msetex'])

/**
 * Divides a command over the servers it concerns, and makes one answer of theirs. It is as many commands as it has parts,
 * each with its own outcome, and other commands may come in between.
 * @returns undefined when it concerns one server only
 */
export function divide(command: Command, members: Members): readonly Part[] | undefined {
  const { spread } = resolveSubcommand(command.spec, command.args)
  if (spread === undefined) return undefined
  const shares = spread.over === 'keys' ? byKeys(command, spread) : byServer(command, spread, members)
  if (shares === undefined) return undefined
  gather(command, spread, shares, members)
  return shares.map(({ command, on }) => ({ command, on }))
}

/** Refuses what cannot be divided and would have to be. */
export function refuseToDivide(command: Command): CrossSlotError | undefined {
  if (!WHOLE.has(command.spec.name)) return undefined
  const slots = slotsOf([command])
  return slots.size > 1 ? new CrossSlotError(command.spec.upperName, [...slots]) : undefined
}

function byKeys(command: Command, { step, tail }: Spread): readonly Share[] | undefined {
  const { args } = command
  const end = args.length - tail
  if (end <= step || end % step !== 0) return undefined
  const slots = new Map<number, number[]>()
  for (let i = 0; i < end; i += step) {
    const slot = slotOf(args[i]!)
    const places = slots.get(slot)
    if (places === undefined) slots.set(slot, [i / step])
    else places.push(i / step)
  }
  if (slots.size === 1) return undefined
  return [...slots.values()].map((places) => {
    const own: CommandArg[] = []
    for (const place of places) for (let i = 0; i < step; i++) own.push(args[place * step + i]!)
    for (let i = end; i < args.length; i++) own.push(args[i]!)
    return { command: partOf(command, own), on: undefined, places }
  })
}

function byServer(command: Command, { over }: Spread, members: Members): readonly Share[] {
  const servers = over === 'shards' ? members.primaries : members.everybody
  return servers.map((on) => ({ command: partOf(command, command.args), on, places: undefined }))
}

function partOf(whole: Command, args: readonly CommandArg[]): Command {
  const part = new Command(whole.spec, args, whole.flags & (BINARY | IDEMPOTENT))
  part.timeoutMs = whole.timeoutMs
  return part
}

/** The whole is settled when its last part is. */
function gather(whole: Command, spread: Spread, shares: readonly Share[], members: Members): void {
  const parts: CommandPart[] = new Array(shares.length)
  const values: unknown[] = new Array(shares.length)
  let missing = shares.length
  const done = (): void => {
    if (--missing > 0) return
    const failed = parts.filter(({ error }) => error !== undefined).length
    if (failed === 0 || (spread.into === 'one' && failed < parts.length)) {
      const good = values.filter((_, i) => parts[i]!.error === undefined)
      whole.succeed(
        combine(
          spread.into,
          good,
          shares.map(({ places }) => places ?? []),
        ),
      )
    } else if (failed === parts.length && isSameRefusal(parts)) whole.fail(parts[0]!.error!)
    else whole.fail(new PartialError(whole.spec.upperName, parts))
  }
  for (const [i, { command, on, places }] of shares.entries()) {
    const keys = places?.map((place) => whole.args[place * spread.step]!)
    const settle = (error: Error | undefined): void => {
      const server = on ?? (keys === undefined ? undefined : members.ownerOf(slotOf(keys[0]!)))
      const outcome = error === undefined ? 'ok' : error instanceof CenoteError ? error.outcome : 'unknown'
      parts[i] = { keys, server: server?.key, outcome, error }
      done()
    }
    promiseOf(command).then(
      (value) => {
        values[i] = value
        settle(undefined)
      },
      (error: Error) => settle(error),
    )
  }
}

/** Every server has the same against it: that is the answer. */
const isSameRefusal = (parts: readonly CommandPart[]): boolean =>
  parts.every(({ error, outcome }) => outcome === parts[0]!.outcome && error?.message === parts[0]!.error?.message)
