import { Command, IDEMPOTENT, promiseOf, TRANSACTION } from '../connection/command.js'
import { routingKey } from '../metadata/lookup.js'
import type { Lane } from './lane.js'

/** Which of several lanes a command takes. What has the same first key takes the same, so that its order is kept. */
export class LaneChoice {
  constructor(private readonly lanes: readonly Lane[]) {}

  of(command: Command): Lane {
    const key = routingKey(command.spec, command.args)
    return key === undefined ? this.lanes[0]! : this.lanes[hashOf(key) % this.lanes.length]!
  }

  /** Every command with its lane, in order. A transaction is one, and goes where the first key in it belongs. */
  split(commands: readonly Command[]): Map<Lane, Command[]> {
    const parts = new Map<Lane, Command[]>()
    for (let i = 0; i < commands.length; ) {
      const command = commands[i]!
      const members = (command.flags & TRANSACTION) === 0 ? undefined : command.batch?.members
      const together = members ?? [command]
      if (command.spec.name === 'select' && members === undefined) this.copySelect(command, parts)
      const keyed = together.find(({ spec, args }) => routingKey(spec, args) !== undefined)
      const lane = this.of(keyed ?? command)
      const part = parts.get(lane) ?? []
      for (const member of together) part.push(member)
      parts.set(lane, part)
      i += together.length
    }
    return parts
  }

  /** SELECT applies to every lane, in its place; its caller hears from the first. */
  private copySelect(select: Command, parts: Map<Lane, Command[]>): void {
    for (const lane of this.lanes.slice(1)) {
      const copy = new Command(select.spec, select.args, IDEMPOTENT)
      // Refused on the first lane as well, whose caller hears of it.
      promiseOf(copy).then(
        () => lane.useDatabase(Number(select.args[0])),
        () => undefined,
      )
      const part = parts.get(lane) ?? []
      part.push(copy)
      parts.set(lane, part)
    }
  }

  /** The lane with the least to do, of those that can do something. */
  idlest(): Lane {
    const up = this.lanes.filter((lane) => lane.isUp)
    const candidates = up.length > 0 ? up : this.lanes
    return candidates.reduce((least, lane) => (lane.outstanding < least.outstanding ? lane : least))
  }
}

/** Of the bytes that are sent, so that a key is the same as text and as Buffer. */
function hashOf(key: string | Uint8Array): number {
  let hash = 0
  if (typeof key === 'string') {
    for (let i = 0; i < key.length; i++) {
      const code = key.charCodeAt(i)
      if (code > 127) return hashOf(Buffer.from(key))
      hash = (hash * 31 + code) | 0
    }
  } else for (const byte of key) hash = (hash * 31 + byte) | 0
  return hash >>> 0
}
