import dns from 'node:dns'
import net from 'node:net'
import { describeEndpoint, type Endpoint } from '../connection/socket.js'
import { ConnectionError } from '../errors.js'

/** Says which server to dial. Asked before each dial, so an answer may change over time. */
export interface Topology {
  /** Where to dial, best first; a dial tries them one after another. */
  endpoints(): Promise<readonly Endpoint[]>
  /** Told which of them took the connection. */
  worked?(endpoint: Endpoint): void
  /** Text for messages. */
  describe(): string
}

/** One server at a fixed name or address. A name is resolved afresh by each dial, and all its addresses are tried. */
export class Standalone implements Topology {
  /** The address that worked last goes first as long as the name still has it, so that one dead address costs once. */
  private lastGood: string | undefined

  constructor(
    private readonly fixed: Endpoint,
    private readonly family: number,
  ) {}

  async endpoints(): Promise<readonly Endpoint[]> {
    const { fixed } = this
    if (fixed.path !== undefined || net.isIP(fixed.host) !== 0) return [fixed]
    const addresses = await this.resolve()
    const good = addresses.indexOf(this.lastGood ?? '')
    if (good > 0) addresses.unshift(...addresses.splice(good, 1))
    return addresses.map((address) => ({ ...fixed, address }))
  }

  worked(endpoint: Endpoint): void {
    this.lastGood = endpoint.address
  }

  private resolve(): Promise<string[]> {
    const { host } = this.fixed
    return new Promise((resolve, reject) => {
      // Through the module object: applications replace dns.lookup by caching or custom resolvers.
      dns.lookup(host, { all: true, family: this.family }, (error, found) => {
        if (error === null && found.length > 0) resolve(found.map(({ address }) => address))
        else {
          const why = error?.code ?? 'no addresses'
          reject(new ConnectionError(`The name ${host} could not be resolved: ${why}`, { cause: error }))
        }
      })
    })
  }

  describe(): string {
    return describeEndpoint(this.fixed)
  }
}
