import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findRedisServer } from '../find-redis.js'
import { freePort } from '../free-port.js'
import { makeFolder, RedisServer, type StartRedisOptions } from '../redis-server.js'
import { TcpGate } from '../tcp-gate.js'
import { type TlsAuthority, tlsAuthority } from '../tls-certificates.js'
import { ClusterNode, type NodeGates } from './cluster-node.js'
import { type NodeLine, newNodeId, nodesConf } from './nodes-conf.js'
import { RedisCluster, waitUntil } from './redis-cluster.js'
import { evenRanges } from './slots.js'
import { isServing } from './views.js'

export interface StartClusterOptions {
  /** Default 3. */
  readonly primaries?: number
  /** Default 1. With none the cluster takes 2 s to serve: a node that boots as a primary refuses to, by design. */
  readonly replicasPerPrimary?: number
  /** cluster-node-timeout. Default 1,000. */
  readonly nodeTimeoutMs?: number
  /**
   * `ports`: all at 127.0.0.1, each on a port of its own. `loopbacks`: each at an address of its own, 127.0.0.11 and
   * up, all on one port; Linux only. Default `ports`.
   */
  readonly addresses?: 'ports' | 'loopbacks'
  /** Gates before each node, for partitions; brings `loopbacks` along. Default false. */
  readonly gates?: boolean
  /** What nodes call themselves in CLUSTER SLOTS and redirections. Default `ip`. */
  readonly endpoints?: 'ip' | 'hostname' | 'unknown-endpoint'
  /** Announced name by index. Default `node-0.cluster.test` and so on, with endpoints `hostname`. */
  readonly hostname?: (index: number) => string
  /** Clients and nodes use TLS only; each node's certificate is for its own names. Default false. */
  readonly tls?: boolean
  readonly password?: string
  /** Keep writes over a kill. Default false. */
  readonly appendOnly?: StartRedisOptions['appendOnly']
  /** Further lines of redis.conf for every node. */
  readonly config?: StartRedisOptions['config']
  readonly binary?: string
}

interface Plan {
  readonly index: number
  readonly id: string
  readonly host: string
  readonly port: number
  readonly busPort: number
  readonly hostname: string | undefined
  /** Shard, and 0 for its intended primary. */
  readonly shard: number
  readonly rank: number
  readonly gates: { readonly port: number; readonly busPort: number } | undefined
}

const ATTEMPTS = 5

/**
 * Starts a cluster that serves within a few hundred milliseconds. Nodes boot with the roles of each shard swapped, as
 * if they had always been a cluster, and the intended primaries take over: a node that boots as a primary would refuse
 * writes for 2 s, one that boots as a replica does not.
 */
export async function startCluster(options: StartClusterOptions = {}): Promise<RedisCluster> {
  const binary = options.binary ?? findRedisServer()
  if (binary === undefined) throw new Error('No redis-server or valkey-server found')
  for (let attempt = 1; ; attempt++) {
    const cluster = await build(binary, options).catch((error: NodeJS.ErrnoException) => error)
    if (cluster instanceof Error) {
      if (cluster.code !== 'EADDRINUSE' || attempt === ATTEMPTS) throw cluster
      continue
    }
    const started = await Promise.allSettled(cluster.nodes.map(({ server }) => server.start()))
    const failed = started.find((result) => result.status === 'rejected')
    if (failed === undefined) {
      try {
        await takeRoles(cluster, options)
        return cluster
      } catch (error) {
        await cluster.stop()
        // On a busy machine nodes may suspect each other and take roles of their own; that is no cluster to begin with.
        if (attempt === ATTEMPTS) throw error
        continue
      }
    }
    const lostPort = cluster.nodes.some(({ server }) => /address already in use/i.test(server.log))
    await cluster.stop()
    if (!lostPort || attempt === ATTEMPTS) throw failed.reason
  }
}

async function build(binary: string, options: StartClusterOptions): Promise<RedisCluster> {
  const { primaries = 3, replicasPerPrimary = 1, nodeTimeoutMs = 1_000 } = options
  const plans = await planNodes(options, primaries, replicasPerPrimary)
  const authority = options.tls === true ? tlsAuthority() : undefined
  const lines = linesOf(plans, primaries)
  const nodes: ClusterNode[] = []
  try {
    for (const plan of plans) nodes.push(await makeNode(binary, plan, lines, options, nodeTimeoutMs, authority))
  } catch (error) {
    await Promise.all(nodes.map((node) => node.stop()))
    throw error
  }
  return new RedisCluster(nodes, primaries, { nodeTimeoutMs, password: options.password, ca: authority?.ca })
}

async function planNodes(options: StartClusterOptions, primaries: number, replicas: number): Promise<Plan[]> {
  const apart = options.addresses === 'loopbacks' || options.gates === true
  if (apart && process.platform !== 'linux') {
    throw new Error('Addresses of their own (127.0.0.11 and up) are there without further ado on Linux only')
  }
  const nameOf = options.hostname ?? ((index: number) => `node-${index}.cluster.test`)
  const named = options.endpoints === 'hostname' || options.hostname !== undefined
  const taken = new Set<number>()
  const port = async (host: string): Promise<number> => {
    for (;;) {
      const found = await freePort(host)
      if (taken.has(found)) continue
      taken.add(found)
      return found
    }
  }
  const common = apart ? { port: await port('127.0.0.11'), bus: await port('127.0.0.11') } : undefined
  const gate =
    options.gates === true ? { port: await port('127.0.0.11'), busPort: await port('127.0.0.11') } : undefined
  const plans: Plan[] = []
  for (let index = 0; index < primaries * (1 + replicas); index++) {
    const host = apart ? `127.0.0.${11 + index}` : '127.0.0.1'
    plans.push({
      index,
      id: newNodeId(),
      host,
      port: common?.port ?? (await port(host)),
      busPort: common?.bus ?? (await port(host)),
      hostname: named ? nameOf(index) : undefined,
      shard: index % primaries,
      rank: Math.floor(index / primaries),
      gates: gate,
    })
  }
  return plans
}

/** Roles as the nodes boot: the first replica of each shard owns its slots, and everybody else follows it. */
function linesOf(plans: readonly Plan[], primaries: number): NodeLine[] {
  const ranges = evenRanges(primaries)
  const ownerRank = plans.length > primaries ? 1 : 0
  const owner = (shard: number) => plans.find((plan) => plan.shard === shard && plan.rank === ownerRank)!
  return plans.map((plan) => {
    const owns = plan.rank === ownerRank
    return {
      id: plan.id,
      host: plan.host,
      port: plan.gates?.port ?? plan.port,
      busPort: plan.gates?.busPort ?? plan.busPort,
      hostname: plan.hostname,
      ...(owns ? { slots: ranges[plan.shard]! } : { primary: owner(plan.shard).id }),
      configEpoch: plan.shard + 1,
    }
  })
}

async function makeNode(
  binary: string,
  plan: Plan,
  lines: readonly NodeLine[],
  options: StartClusterOptions,
  nodeTimeoutMs: number,
  authority: TlsAuthority | undefined,
): Promise<ClusterNode> {
  const { host, port, busPort, gates, hostname } = plan
  const tls = authority?.issue([...(hostname === undefined ? [] : [hostname]), 'localhost'], [host])
  const announced = gates === undefined ? {} : announce(gates, tls !== undefined)
  const dir = makeFolder()
  const server = new RedisServer(
    binary,
    { port, tlsPort: undefined, dir },
    {
      host,
      password: options.password,
      appendOnly: options.appendOnly,
      tlsOnly: tls !== undefined,
      config: {
        'cluster-enabled': 'yes',
        'cluster-config-file': 'nodes.conf',
        'cluster-node-timeout': nodeTimeoutMs,
        'cluster-replica-validity-factor': 0,
        'cluster-allow-replica-migration': 'no',
        'cluster-port': busPort,
        'repl-diskless-sync-delay': 0,
        'repl-ping-replica-period': 1,
        'bind-source-addr': host,
        'cluster-announce-ip': host,
        ...(hostname === undefined ? {} : { 'cluster-announce-hostname': hostname }),
        ...(options.endpoints === undefined ? {} : { 'cluster-preferred-endpoint-type': options.endpoints }),
        ...(options.password === undefined ? {} : { masterauth: options.password }),
        ...(tls === undefined ? {} : { 'tls-cluster': 'yes', 'tls-replication': 'yes' }),
        ...announced,
        ...options.config,
      },
    },
    tls,
  )
  // Two take-overs at the same epoch would collide.
  writeFileSync(join(dir, 'nodes.conf'), nodesConf(plan.id, lines, 6 + 10 * plan.index), { mode: 0o600 })
  try {
    return new ClusterNode(plan.id, server, busPort, hostname, gates && (await openGates(plan, gates)))
  } catch (error) {
    await server.stop()
    throw error
  }
}

/** Starts an empty node with the cluster's settings, to be joined to it. */
export async function startNode(cluster: RedisCluster, options: StartClusterOptions = {}): Promise<ClusterNode> {
  const binary = options.binary ?? findRedisServer()
  if (binary === undefined) throw new Error('No redis-server or valkey-server found')
  const index = cluster.nodes.length
  const [like] = cluster.nodes
  const apart = like !== undefined && cluster.nodes.some(({ host }) => host !== like.host)
  const host = apart ? `127.0.0.${11 + index}` : '127.0.0.1'
  const gates = like?.gates === undefined ? undefined : { port: like.gates.clients.port, busPort: like.gates.bus.port }
  const plan: Plan = {
    index,
    id: newNodeId(),
    host,
    port: apart ? like.server.port : await freePort(host),
    busPort: apart ? like.busPort : await freePort(host),
    hostname: undefined,
    shard: 0,
    rank: 0,
    gates,
  }
  const itself = { id: plan.id, host, port: gates?.port ?? plan.port, busPort: gates?.busPort ?? plan.busPort }
  const node = await makeNode(binary, plan, [{ ...itself, configEpoch: 0 }], options, cluster.nodeTimeoutMs, undefined)
  try {
    await node.server.start()
    return node
  } catch (error) {
    await node.stop()
    throw error
  }
}

async function openGates({ host, port, busPort }: Plan, gates: { port: number; busPort: number }): Promise<NodeGates> {
  const clients = await TcpGate.open({ host, port: gates.port }, { host, port })
  try {
    return { clients, bus: await TcpGate.open({ host, port: gates.busPort }, { host, port: busPort }) }
  } catch (error) {
    await clients.close()
    throw error
  }
}

function announce(gates: { port: number; busPort: number }, tls: boolean): Record<string, number> {
  const name = tls ? 'cluster-announce-tls-port' : 'cluster-announce-port'
  return { [name]: gates.port, 'cluster-announce-bus-port': gates.busPort }
}

async function takeRoles(cluster: RedisCluster, options: StartClusterOptions): Promise<void> {
  const { primaries } = cluster
  if (cluster.nodes.length > primaries.length) {
    // One that takes over before it has seen the cluster serve is a primary that has just booted, and waits its 2 s.
    await Promise.all(
      primaries.map(async (node) => {
        const serves = async () => isServing(await node.command('CLUSTER', 'INFO'))
        await waitUntil(`${node.address} to see the cluster`, serves, 10_000)
        await node.command('CLUSTER', 'FAILOVER', 'TAKEOVER')
      }),
    )
  }
  await cluster.agreed(options.tls === true ? 30_000 : 20_000)
  await waitUntil(
    'the primaries to be primaries',
    async () => (await Promise.all(primaries.map((node) => node.role()))).every((role) => role === 'primary'),
    10_000,
  )
}
