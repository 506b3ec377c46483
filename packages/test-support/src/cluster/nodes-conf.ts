import { randomBytes } from 'node:crypto'
import type { SlotRange } from './slots.js'

/** What a node knows of another, or of itself, when it starts. */
export interface NodeLine {
  readonly id: string
  readonly host: string
  readonly port: number
  readonly busPort: number
  readonly hostname?: string
  /** Id of its primary; undefined for a primary. */
  readonly primary?: string
  readonly configEpoch: number
  readonly slots?: SlotRange
}

export function newNodeId(): string {
  return randomBytes(20).toString('hex')
}

/** The file by which a node remembers its cluster, as if it had always been a member. */
export function nodesConf(self: string, nodes: readonly NodeLine[], currentEpoch: number): string {
  const lines = nodes.map((node) => {
    const address = `${node.host}:${node.port}@${node.busPort}${node.hostname === undefined ? '' : `,${node.hostname}`}`
    const role = node.primary === undefined ? 'master' : 'slave'
    const flags = node.id === self ? `myself,${role}` : role
    const slots = node.slots === undefined ? '' : ` ${node.slots[0]}-${node.slots[1]}`
    return `${node.id} ${address} ${flags} ${node.primary ?? '-'} 0 0 ${node.configEpoch} connected${slots}`
  })
  return `${lines.join('\n')}\nvars currentEpoch ${currentEpoch} lastVoteEpoch 0\n`
}
