import type { Connection } from '../connection/connection.js'
import { type CenoteError, ClosedError } from '../errors.js'
import type { Address } from './address.js'
import type { Credentials } from './credentials.js'
import type { Entry } from './entry.js'
import type { Lane } from './lane.js'
import type { Leases } from './leases.js'
import type { Line } from './line.js'
import type { Liveness } from './liveness.js'

/** The connections of one server. */
export interface Household {
  readonly address: Address
  readonly lanes: readonly Lane[]
  readonly leases: Leases
  readonly lines: ReadonlySet<Line>
  readonly liveness: Liveness
}

/** What is done about connections now and then: evicting, renewing, asking, following a name that moves. */
export class Upkeep {
  /** The name led elsewhere at the last look. */
  private strayed = false

  constructor(private readonly node: Household) {}

  /** What is idle for too long, or old, goes. */
  sweep(): void {
    this.node.leases.sweep()
    for (const lane of this.node.lanes) if (lane.entry?.isOld === true) lane.renew()
  }

  /** Whoever is silent on purpose, or has nothing to say, is asked. */
  async check(messenger: Connection | undefined): Promise<void> {
    const { lanes, leases, lines, liveness } = this.node
    const shared = lanes.flatMap(({ entry }) => entry ?? [])
    // Nobody waits for the answers: who gives none is a matter of the watchdog.
    for (const entry of [...shared, ...leases.idleEntries]) void liveness.ask(entry)
    const own = [...lines].flatMap((line) => (line.liveness === liveness ? line.check() : []))
    const leased = [...leases.out].map(({ entry }) => entry)
    await liveness.checkWaiting([...leased, ...own], messenger)
    await this.followName()
  }

  /** The name may lead elsewhere by now while the old server still answers: its connections are replaced in order. */
  private async followName(): Promise<void> {
    const { address, lanes, leases, lines } = this.node
    const endpoints = await address.endpoints().catch(() => undefined)
    if (endpoints === undefined) return
    const known = new Set(endpoints.map(({ address }) => address))
    const strays = ({ endpoint }: Connection) => endpoint.address !== undefined && !known.has(endpoint.address)
    const isStray = (entry: Entry | undefined) => entry !== undefined && strays(entry.connection)
    // Names with more addresses than fit an answer show another part of them each time: one miss is no move.
    const stray = lanes.some(({ entry }) => isStray(entry))
    const moved = this.strayed && stray
    this.strayed = stray
    if (!moved) return
    for (const lane of lanes) if (isStray(lane.entry)) lane.renew()
    leases.retire(strays)
    for (const line of lines) if (isStray(line.entry)) line.reconnect(new ClosedError('The name leads elsewhere'))
  }

  /** Asks for the password anew and authenticates every live connection with it. */
  renewCredentials(credentials: Credentials, onError: (error: CenoteError) => void): void {
    const { lanes, leases, lines } = this.node
    const renew = (connection: Connection): void => {
      credentials.renew(connection).catch(onError)
    }
    for (const lane of lanes) for (const { connection } of lane.entries) renew(connection)
    leases.renewCredentials(renew)
    for (const line of lines) line.renewCredentials()
  }
}
