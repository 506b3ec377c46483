import type { Node } from '../node/node.js'
import type { Topology } from './topology.js'

/** One server for everything. */
export class Standalone implements Topology {
  readonly nodes: readonly Node[]

  constructor(readonly main: Node) {
    this.nodes = [main]
  }

  route(): Node {
    return this.main
  }

  describe(): string {
    return String(this.main.address)
  }
}
