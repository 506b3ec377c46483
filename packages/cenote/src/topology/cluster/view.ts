import { SLOTS } from './slot.js'

/** A server as its cluster announces it. */
export interface ServerInfo {
  readonly id: string
  /** A name stays a name: certificates are made out to it. */
  readonly host: string
  readonly port: number
}

/** Who has a slot, as one server sees it, or as several do together. */
export interface Claim {
  readonly primary: ServerInfo
  readonly replicas: readonly ServerInfo[]
}

/** What one server says of the whole cluster. */
export interface View {
  /** By slot. */
  readonly claims: readonly (Claim | undefined)[]
  /** Configuration epochs by server, as far as it told: of two claims to a slot the later one holds. */
  readonly epochs: ReadonlyMap<string, number>
  /** To tell views apart without comparing slot by slot. */
  readonly signature: string
}

/**
 * @param slots reply to CLUSTER SLOTS
 * @param nodes reply to CLUSTER NODES; undefined when the server would not tell
 * @param asked where it was asked: what a server means that does not know its own name
 * @throws Error when the reply makes no sense
 */
export function readView(slots: unknown, nodes: string | undefined, asked: string): View {
  if (!Array.isArray(slots)) throw new Error('CLUSTER SLOTS was answered with something else than a list')
  const claims: (Claim | undefined)[] = new Array(SLOTS).fill(undefined)
  const parts: string[] = []
  for (const range of slots) {
    if (!Array.isArray(range)) throw new Error('CLUSTER SLOTS was answered with something else than ranges')
    const [from, to, ...servers] = range as [unknown, unknown, ...unknown[]]
    const [first, ...others] = servers.map((server) => readServer(server, asked))
    const start = Number(from)
    const end = Number(to)
    if (!(start >= 0 && start <= end && end < SLOTS)) throw new Error(`CLUSTER SLOTS named the slots ${from} to ${to}`)
    if (first === undefined) continue
    const claim: Claim = { primary: first, replicas: others.filter((server) => server !== undefined) }
    claims.fill(claim, start, end + 1)
    parts.push(`${start}-${end} ${[claim.primary, ...claim.replicas].map(keyOf).join(' ')}`)
  }
  return { claims, epochs: readEpochs(nodes), signature: parts.sort().join('\n') }
}

export const keyOf = ({ host, port }: { host: string; port: number }): string => `${host}:${port}`

/** `[host, port, id, metadata]`; undefined for one whose name nobody knows. */
function readServer(server: unknown, asked: string): ServerInfo | undefined {
  if (!Array.isArray(server)) throw new Error('CLUSTER SLOTS named something else than servers')
  const [announced, port, id] = server as unknown[]
  const metadata = readMetadata(server[3])
  const unknown = announced === null || announced === undefined || announced === ''
  const said = unknown ? asked : announced === '?' ? metadata.ip : String(announced)
  if (said === undefined || Number(port) <= 0) return undefined
  const host = metadata.hostname ?? said
  return { id: id === undefined || id === null ? `${host}:${port}` : String(id), host, port: Number(port) }
}

/** Pairs on RESP2, a map on RESP3. */
function readMetadata(given: unknown): { ip?: string; hostname?: string } {
  const pairs = Array.isArray(given)
    ? given
    : typeof given === 'object' && given !== null
      ? Object.entries(given).flat()
      : []
  const found: Record<string, string> = {}
  for (let i = 0; i + 1 < pairs.length; i += 2) if (pairs[i + 1] !== '') found[String(pairs[i])] = String(pairs[i + 1])
  return found
}

/** `<id> <address> <flags> <primary> <ping> <pong> <epoch> <link> <slots…>` by line. */
function readEpochs(nodes: string | undefined): Map<string, number> {
  const epochs = new Map<string, number>()
  for (const line of (nodes ?? '').split('\n')) {
    const fields = line.split(' ')
    if (fields.length >= 8) epochs.set(fields[0]!, Number(fields[6]) || 0)
  }
  return epochs
}

/**
 * One answer out of several: for each slot the claim with the latest epoch, as the servers decide it among themselves;
 * where none is known, or they are the same, what most say.
 */
export function mergeViews(views: readonly View[]): readonly (Claim | undefined)[] {
  const [first] = views
  if (first === undefined || views.every(({ signature }) => signature === first.signature)) return first?.claims ?? []
  const merged: (Claim | undefined)[] = new Array(SLOTS).fill(undefined)
  for (let slot = 0; slot < SLOTS; slot++) merged[slot] = bestClaim(views, slot)
  return merged
}

function bestClaim(views: readonly View[], slot: number): Claim | undefined {
  let best: Claim | undefined
  let bestEpoch = -1
  let bestVotes = 0
  for (const { claims, epochs } of views) {
    const claim = claims[slot]
    if (claim === undefined) continue
    const epoch = epochs.get(claim.primary.id) ?? 0
    if (epoch < bestEpoch) continue
    const votes = views.filter((view) => view.claims[slot]?.primary.id === claim.primary.id).length
    if (epoch > bestEpoch || votes > bestVotes) {
      best = claim
      bestEpoch = epoch
      bestVotes = votes
    }
  }
  return best
}
