import type { Command } from '../connection/command.js'
import type { Node } from '../node/node.js'

/** Says which server takes a command. One server, Sentinel and Cluster look the same from above. */
export interface Topology {
  /** Whose figures and state stand for the whole: the one server, or the one that everything starts with. */
  readonly main: Node
  readonly nodes: readonly Node[]
  /** Where the command goes right now. */
  route(command: Command): Node
  /** For the name of the pool in messages. */
  describe(): string
}
