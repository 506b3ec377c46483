import type { Endpoint } from '../connection/socket.js'

/** Says which server to dial. Asked before each dial, so an answer may change over time. */
export interface Topology {
  endpoint(): Endpoint | Promise<Endpoint>
  /** Text for messages. */
  describe(): string
}

/** One server at a fixed address. Its name is resolved afresh by each dial. */
export class Standalone implements Topology {
  constructor(private readonly fixed: Endpoint) {}

  endpoint(): Endpoint {
    return this.fixed
  }

  describe(): string {
    const { host, port, path } = this.fixed
    return path ?? (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)
  }
}
