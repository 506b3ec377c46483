import type { ResolvedOptions } from '../../config/options.js'
import type { Command } from '../../connection/command.js'
import type { Connection } from '../../connection/connection.js'
import { HandshakeError } from '../../connection/handshake.js'
import { type CenoteError, ClosedError, ClusterAllFailedError, ConnectionError, type ReplyError } from '../../errors.js'
import type { FallbackReason } from '../../node/fallback.js'
import type { Node, NodeEvents, Shared } from '../../node/node.js'
import type { Counters } from '../../observe/counters.js'
import { type Server, Servers } from './servers.js'
import { type Source, Survey, type SurveyHost } from './survey.js'
import { type Claim, keyOf, type ServerInfo } from './view.js'
import type { Ways } from './ways.js'

/** What the pool hears of its cluster. Up and down are those of the cluster as a whole. */
export interface ClusterEvents {
  onConnecting(): void
  onUp(): void
  onDown(error: CenoteError): void
  onError(error: CenoteError): void
  onPush(connection: Connection, items: unknown[]): void
  onFallback(reason: FallbackReason | undefined): void
  onWarning(message: string): void
  onLineGone(): void
  /** A server is part of the cluster, or no longer. */
  onServer(server: Server, isMember: boolean): void
  onServerError(server: Server, error: CenoteError): void
  /** Servers told who has which slot. */
  onSurveyed(): void
  /** Figures of a server that is gone, to be kept. */
  onGone(counters: Counters): void
}

/** How long a server that has lost its slots may owe replies in silence, ms, before its connections are given up. */
const SILENCE_MS = 1_000
/** Lines of a server that cannot be reached for so long, ms, move to another. */
const LINE_PATIENCE_MS = 500

/** Which servers belong to the cluster: found by asking, connected to while they have slots, let go when they have none. */
export class Membership implements NodeEvents, SurveyHost {
  readonly servers: Servers
  readonly survey: Survey
  /** Slots were assigned once. */
  mapped = false
  /** Why waiting for a server makes no sense right now. */
  hopeless: CenoteError | undefined
  /** Servers that have left and still answer what they owe. */
  readonly leaving = new Set<Node>()
  private readonly up = new Set<Node>()
  private home: Server | undefined
  private isUp = false
  private begun = false
  /** Active time since which nobody tells who has which slot. */
  private blindSince: number | undefined
  private nextSeed = 0
  private failure: string | undefined
  private replicas: readonly ServerInfo[] = []
  private closed = false

  constructor(
    private readonly options: ResolvedOptions,
    private readonly shared: Shared,
    private readonly ways: Ways,
    private readonly events: ClusterEvents,
    readonly detour: (node: Node, command: Command, error: ReplyError) => 'taken' | number | undefined,
  ) {
    const { natMap, slotsRefreshTimeoutMs, slotsRefreshIntervalMs } = options.cluster!
    this.servers = new Servers(options, shared, this, natMap)
    this.survey = new Survey(this, shared.clock, slotsRefreshTimeoutMs, slotsRefreshIntervalMs)
  }

  get nodes(): readonly Node[] {
    return [...this.servers.nodes, ...this.leaving]
  }

  get primaries(): readonly Server[] {
    return this.servers.all.filter(({ role, isMember }) => role === 'primary' && isMember)
  }

  /** Primaries, and the replicas that they have. */
  get everybody(): readonly Server[] {
    const replicas = this.replicas.map(({ host, port }) => this.servers.ensure(host, port, 'replica'))
    return [...new Set([...this.primaries, ...replicas])]
  }

  ownerOf(slot: number): Server | undefined {
    return this.ways.owners[slot]
  }

  get isReady(): boolean {
    return this.isUp
  }

  connect(): void {
    if (this.begun || this.closed) return
    this.begun = true
    this.events.onConnecting()
    this.trySeed()
  }

  /** Commands wait for servers that nobody knows yet. */
  look(): void {
    if (this.begun) this.survey.request('lost')
    else this.connect()
  }

  /** One seed after another, until one tells of the others; again whenever nobody else answers. */
  private trySeed(): void {
    const { nodes } = this.options.cluster!
    const seed = nodes[this.nextSeed++ % nodes.length]!
    this.seedAt(seed.host, seed.port).node.connect()
  }

  private seedAt(host: string, port: number): Server {
    return this.servers.ensure(host, port, 'seed')
  }

  /** For what may run on any server: the same one as long as it is there, so that commands without a key keep order. */
  anywhere(from: Node | undefined): Node | undefined {
    if (from !== undefined && this.servers.of(from) !== undefined) return from
    const { home } = this
    if (home?.node.isUp === true && this.servers.get(home.key) === home) return home.node
    const { all } = this.servers
    const alive = all.filter(({ node }) => node.isUp)
    const primaries = alive.filter(({ role }) => role === 'primary')
    const some = primaries.length > 0 ? primaries : alive
    this.home = some[Math.floor(Math.random() * some.length)] ?? all[0]
    return this.home?.node
  }

  /** A node to begin with, when nothing is known. */
  get anyNode(): Node {
    const { host, port } = this.options.cluster!.nodes[0]!
    return this.anywhere(undefined) ?? this.seedAt(host, port).node
  }

  /** Why commands wait, in words. */
  get lastFailure(): string | undefined {
    return (
      this.failure ?? this.servers.all.find(({ node }) => node.dialer.lastFailure)?.node.dialer.lastFailure?.message
    )
  }

  sources(): readonly Source[] {
    const now = this.shared.clock.refresh()
    return this.servers.all.flatMap(({ key, host, node }) => {
      const { connection } = node
      return connection === undefined || node.silence(now) > SILENCE_MS ? [] : { key, host, connection }
    })
  }

  onAnswer(claims: readonly (Claim | undefined)[], since: number): void {
    if (this.closed) return
    this.blindSince = undefined
    this.hopeless = undefined
    this.failure = undefined
    const owners = new Map<Claim, Server>()
    for (const claim of new Set(claims)) {
      if (claim !== undefined) owners.set(claim, this.servers.ensure(claim.primary.host, claim.primary.port, 'primary'))
    }
    const { losers, news } = this.ways.assign((slot) => owners.get(claims[slot]!), since)
    if (news) this.survey.relax()
    this.mapped = true
    this.sort(new Set([...this.ways.owners].flatMap((server) => server ?? [])), claims)
    for (const { node } of losers) this.ways.redispatch(node)
    this.ways.openLobby()
    if (this.ways.uncovered > 0 && !this.ways.lobby.isEmpty) this.survey.request('lost')
    this.events.onSurveyed()
    this.tell()
  }

  /** Connects to those that have slots, and lets go of those that have none any more. */
  private sort(owners: ReadonlySet<Server>, claims: readonly (Claim | undefined)[]): void {
    const now = this.shared.clock.refresh()
    const replicas = new Map<string, ServerInfo>()
    for (const claim of new Set(claims)) for (const one of claim?.replicas ?? []) replicas.set(keyOf(one), one)
    this.replicas = [...replicas.values()]
    for (const server of this.servers.all) {
      const isReplica = server.role === 'replica' && replicas.has(server.key)
      if (owners.has(server)) this.admit(server)
      else if (!isReplica && server.wantedUntil <= now) this.retire(server)
    }
  }

  private admit(server: Server): void {
    if (!server.isMember) this.events.onServer(server, true)
    server.isMember = true
    server.role = 'primary'
    server.node.connect()
  }

  private retire(server: Server): void {
    const { node } = server
    this.servers.remove(server)
    this.leaving.add(node)
    node.retire()
    this.ways.redispatch(node)
    this.moveLines(node)
    if (server.isMember) this.events.onServer(server, false)
    this.onDown(node, new ConnectionError(`${server.key} left the cluster`))
  }

  onNoAnswer(reasons: ReadonlyMap<string, CenoteError>): void {
    if (this.closed) return
    const now = this.shared.clock.refresh()
    this.blindSince ??= now
    const all = new Map(reasons)
    for (const { key, node } of this.servers.all) {
      const { lastFailure } = node.dialer
      if (lastFailure !== undefined && !all.has(key)) all.set(key, lastFailure)
    }
    const { failFastAfterMs } = this.options
    const tooLong = failFastAfterMs > 0 && now - this.blindSince >= failFastAfterMs
    const error = new ClusterAllFailedError(all)
    // Not before every seed was heard.
    const refused = all.size >= this.options.cluster!.nodes.length && [...all.values()].every(isRefusal)
    this.failure = error.message
    this.hopeless = tooLong || refused ? error : undefined
    if (this.hopeless !== undefined) this.ways.failLobby(this.hopeless)
    if (all.size > 0) this.events.onError(error)
    this.trySeed()
    this.survey.request('lost')
  }

  onConnecting(): void {}

  onUp(node: Node): void {
    this.up.add(node)
    if (!this.mapped || this.blindSince !== undefined) this.survey.request('lost')
    this.tell()
  }

  onDown(node: Node, error: CenoteError): void {
    this.up.delete(node)
    if (this.closed) return
    if (!this.leaving.has(node)) this.survey.request('lost')
    if (this.up.size > 0 || !this.isUp) return
    this.isUp = false
    this.events.onDown(error)
  }

  private tell(): void {
    if (this.isUp || !this.mapped || this.up.size === 0) return
    this.isUp = true
    this.events.onUp()
  }

  onSilent(): void {
    this.survey.request('lost')
  }

  onError(error: CenoteError, node?: Node): void {
    const server = node === undefined ? undefined : this.servers.of(node)
    if (server !== undefined) this.events.onServerError(server, error)
    if (node !== undefined && this.leaving.has(node)) return
    // A server that cannot be reached is a matter of the cluster; without any, the survey says what is wrong.
    if (!this.mapped) this.survey.request('lost')
  }

  onPush(connection: Connection, items: unknown[]): void {
    this.events.onPush(connection, items)
  }

  onFallback(reason: FallbackReason | undefined): void {
    this.events.onFallback(reason)
  }

  onWarning(message: string): void {
    this.events.onWarning(message)
  }

  onLineGone(): void {
    this.events.onLineGone()
  }

  tick(now: number): boolean {
    let busy = false
    for (const node of this.nodes) busy = node.tick(now) || busy
    for (const node of this.leaving) this.seeOff(node, now)
    for (const server of this.servers.all) this.lookAfter(server, now)
    return busy || this.leaving.size > 0
  }

  private seeOff(node: Node, now: number): void {
    if (node.silence(now) > SILENCE_MS) node.cut(new ConnectionError('The server has lost its slots and is silent'))
    if (node.parked > 0) this.ways.redispatch(node)
    if (node.outstanding > 0 || node.leases.out.size > 0 || node.lines.size > 0) return
    this.leaving.delete(node)
    node.destroy(new ClosedError('The server left the cluster'))
    node.counters.bytesRead += node.closedBytesRead
    node.counters.bytesWritten += node.closedBytesWritten
    this.events.onGone(node.counters)
  }

  private lookAfter({ node }: Server, now: number): void {
    const { openSince } = node.dialer.breaker
    if (!node.isUp && openSince !== undefined && now - openSince > LINE_PATIENCE_MS) this.moveLines(node)
  }

  private moveLines(from: Node): void {
    for (const line of from.lines) {
      const to = this.anywhere(undefined)
      if (to !== undefined && to !== from && to.isUp && line.isMovable) from.moveLine(line, to)
    }
  }

  close(): void {
    this.closed = true
    this.survey.close()
  }
}

/** Nothing that another try would change. */
const isRefusal = (error: CenoteError): boolean =>
  (error instanceof HandshakeError && error.failure !== 'loading' && error.failure !== 'max-clients') ||
  /cluster support disabled/.test(error.message)
