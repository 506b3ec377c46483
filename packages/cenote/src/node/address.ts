import dns from 'node:dns'
import net from 'node:net'
import { describeEndpoint, type Endpoint } from '../connection/socket.js'
import { ConnectionError } from '../errors.js'

/** Where one server is: a fixed name, address or path. A name is resolved afresh by each dial. */
export class Address {
  /** The address that worked last goes first as long as the name still has it. */
  private lastGood: string | undefined

  constructor(
    readonly fixed: Endpoint,
    private readonly family: number,
  ) {}

  /** Where to dial, best first. @throws ConnectionError when the name leads nowhere */
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

  toString(): string {
    return describeEndpoint(this.fixed)
  }
}

export function describeWithAddress(endpoint: Endpoint): string {
  return describeEndpoint(endpoint) + (endpoint.address === undefined ? '' : ` (${endpoint.address})`)
}
