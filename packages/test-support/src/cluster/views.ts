import type { RawReply } from '../raw-client.js'
import type { SlotRange } from './slots.js'

/** One row of CLUSTER SLOTS. */
export interface SlotsRow {
  readonly range: SlotRange
  /** Ids, the primary first. */
  readonly nodes: readonly string[]
}

/** What a node answers to CLUSTER SLOTS. */
export function readSlots(reply: RawReply): SlotsRow[] {
  return (reply as [number, number, ...[RawReply, number, string][]][]).map(([first, last, ...nodes]) => ({
    range: [first, last],
    nodes: nodes.map((node) => node[2]),
  }))
}

/** The owner of each slot by id, as CLUSTER SLOTS has it. */
export function ownersOf(rows: readonly SlotsRow[]): (string | undefined)[] {
  const owners: (string | undefined)[] = new Array(16_384)
  for (const { range, nodes } of rows) owners.fill(nodes[0], range[0], range[1] + 1)
  return owners
}

/** `cluster_state:ok` in CLUSTER INFO. */
export function isServing(info: RawReply): boolean {
  return /^cluster_state:ok/m.test(String(info))
}

/** What a node says of itself in CLUSTER NODES. */
export interface Claim {
  readonly id: string
  readonly epoch: number
  /** Empty for a replica. */
  readonly slots: readonly number[]
}

export function readClaim(reply: RawReply): Claim {
  const own = String(reply)
    .split('\n')
    .find((line) => /\bmyself\b/.test(line))
  const [id = '', , , , , , epoch, , ...ranges] = (own ?? '').split(' ')
  const slots: number[] = []
  for (const range of ranges) {
    // [slot->-node] and [slot-<-node] stand for slots on their way.
    if (range.startsWith('[')) continue
    const [first = 0, last = first] = range.split('-').map(Number)
    for (let slot = first; slot <= last; slot++) slots.push(slot)
  }
  return { id, epoch: Number(epoch), slots }
}
